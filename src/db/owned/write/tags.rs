//! Tag definitions.
//!
//! What this module does not do: assign tags to artifacts.

use std::collections::BTreeMap;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, Set, Value};

use super::super::super::apply::insert;
use super::super::super::entity::tags;
use super::super::super::error::Result;
use super::super::super::format::new_uuid;
use super::super::super::load::{all, json_array};
use super::{Change, Writer, text};
use crate::domain::owned::{DbEdits, TagEdit, Tags};

/// Id and name of each tag, by slug.
type Known = BTreeMap<String, (String, String)>;

impl<C: ConnectionTrait> Writer<'_, C> {
    pub(super) async fn tags(&self, edits: &DbEdits) -> Result<()> {
        let DbEdits { delete_tags, update_tags, create_tags, .. } = edits;
        if !delete_tags.is_empty() {
            // An assignment of this moment keeps its tag.
            let sql = "DELETE FROM tags WHERE slug IN (SELECT value FROM json_each(?))
                AND id NOT IN (SELECT tag_id FROM artifact_tags)";
            self.execute(sql, vec![json_array(delete_tags.iter().map(String::as_str)).into()]).await?;
        }
        if update_tags.is_empty() && create_tags.is_empty() {
            return Ok(());
        }
        let rows = all(self.db, "SELECT slug, id, name FROM tags", vec![]).await?;
        let known = |row: &sea_orm::QueryResult| {
            Ok((row.try_get_by_index(0)?, (row.try_get_by_index(1)?, row.try_get_by_index(2)?)))
        };
        let mut known: Known = rows.iter().map(known).collect::<Result<_>>()?;
        self.update_tags(update_tags, &mut known).await?;
        self.create_tags(create_tags, &known).await
    }

    /// A name or slug that another tag has stays that one's; the merge tells of it.
    async fn update_tags(&self, edits: &BTreeMap<String, TagEdit>, known: &mut Known) -> Result<()> {
        let (mut changes, mut unnamed) = (Vec::new(), Vec::new());
        for (slug, edit) in edits {
            let name = edit.name.as_ref().filter(|name| !is_taken(name, slug, known));
            let new_slug = edit.slug.as_ref().filter(|new| !known.contains_key(*new));
            let Some((id, old_name)) = known.remove(slug) else { continue };
            let mut set: Vec<(&'static str, Value)> = Vec::new();
            set.extend(name.map(|name| ("name", name.as_str().into())));
            set.extend(edit.color.as_deref().map(|it| ("color", text(it).into())));
            set.extend(new_slug.map(|slug| ("slug", slug.as_str().into())));
            if name.is_some() || new_slug.is_some() {
                // By way of names and slugs nobody has: one tag may take what another lets go of.
                let placeholder = new_uuid();
                let mut aside: Vec<(&'static str, Value)> = Vec::new();
                aside.extend(name.map(|_| ("name", placeholder.as_str().into())));
                aside.extend(new_slug.map(|_| ("slug", placeholder.as_str().into())));
                unnamed.push(Change { id: id.clone(), set: aside });
            }
            let name = name.cloned().unwrap_or(old_name);
            known.insert(new_slug.unwrap_or(slug).clone(), (id.clone(), name));
            changes.push(Change { id, set });
        }
        self.update("tags", unnamed).await?;
        self.update("tags", changes).await
    }

    async fn create_tags(&self, new: &Tags, known: &Known) -> Result<()> {
        let rows: Vec<_> = new
            .iter()
            .filter(|(slug, value)| !is_taken(&value.name, slug, known))
            .map(|(slug, value)| tags::ActiveModel {
                id: Set(new_uuid()),
                name: Set(value.name.clone()),
                slug: Set(slug.clone()),
                color: Set(text(&value.color)),
                created_at: Set(self.now.to_owned()),
                updated_at: Set(self.now.to_owned()),
            })
            .collect();
        // Of two new ones with one name the first has it.
        insert(self.db, rows, Some(OnConflict::new().do_nothing().to_owned())).await
    }
}

/// Whether another tag than `slug` has this name.
fn is_taken(name: &str, slug: &str, known: &Known) -> bool {
    known.iter().any(|(other, (_, taken))| other != slug && taken == name)
}
