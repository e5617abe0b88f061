//! Changing, making and removing artifacts on somebody's word: the files first, both or neither.
//!
//! An edit changes two files, the entry file and the manifest, and no file system changes two files at once. So what is
//! about to be done is written down first, in the state database. If the daemon is killed in between, the next start
//! finds that and finishes it, or undoes it where the first step was not taken. The rows follow in the reconcile that
//! comes after, as for any other change of files.
//!
//! What this module does not do: write rows; wait for the reconcile.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use serde::{Deserialize, Serialize};

use super::Engine;
use crate::control::api::Authoring;
use crate::control::protocol::artifact::{Artifact, Create};
use crate::control::protocol::{Refusal, VERSION};
use crate::daemon::board;
use crate::domain::authoring::{self, Fields};
use crate::domain::edit::{self, EditError, EntryEdit, FieldEdit, ListField, NewEntry, TextField};
use crate::domain::follow;
use crate::domain::frontmatter::{self, extract};
use crate::domain::manifest;
use crate::domain::model::{ArtifactId, Entry, Metadata};
use crate::fs::author::{self, AuthorError, EntryFile, Identity};
use crate::fs::settings;
use crate::fs::write::{self, WriteError};

/// Where the intent is kept in the state database.
const INTENT: &str = "authoring";

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) collection: String,
    pub(super) artifact: String,
    pub(super) step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Write the entry file, of which this is the digest afterwards, then these fields of the manifest.
    Edit { entry_file: String, after: String, fields: Fields },
    /// Put these files in place, then an entry into the manifest.
    Create { path: String, entry: String, digest: String },
    /// Take the entry out of the manifest, then remove these files.
    Remove { path: String, files: Identity },
}

/// Why a patch was not made.
#[derive(Debug, thiserror::Error)]
enum PatchError {
    /// The text is not the one that was looked at.
    #[error("it was changed at the same moment")]
    Changed,
    #[error(transparent)]
    Edit(#[from] EditError),
}

/// Why a change that was cut short is not finished.
#[derive(Debug)]
enum Unfinished {
    /// The system refuses now.
    Later(String),
    /// It will not be otherwise: somebody has gone on from where it was left.
    Never(String),
}

impl Unfinished {
    fn of_files(id: &ArtifactId, error: &AuthorError) -> Self {
        let why = author::told(id, error);
        if matches!(error, AuthorError::Io { .. }) { Self::Later(why) } else { Self::Never(why) }
    }
}

/// A file's bytes, none if it is not there.
fn read_if_there(path: &Path) -> Result<Vec<u8>, Unfinished> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => {
            read.map_err(|error| Unfinished::Later(format!("{} cannot be read: {error}", path.display())))
        }
    }
}

/// An artifact and all that was read to know it.
struct Current {
    collection: String,
    entry: Arc<Entry>,
    manifest: String,
    /// Or why there is none to be edited.
    file: Result<EntryFile, String>,
}

impl Current {
    fn state(&self, metadata: &Metadata, file: Option<&str>) -> Artifact {
        Artifact {
            schema: VERSION,
            id: self.entry.id.to_string(),
            collection: self.collection.clone(),
            path: self.entry.path.clone(),
            entry_file: self.file.as_ref().ok().map(|file| file.relative.clone()),
            metadata: metadata.clone(),
            etag: authoring::etag(metadata, file.map(str::as_bytes)),
            mirrored: false,
        }
    }

    fn now(&self) -> Artifact {
        self.state(&self.entry.metadata, self.text())
    }

    /// Of the entry file.
    fn text(&self) -> Option<&str> {
        self.file.as_ref().ok().map(|file| file.text.as_str())
    }

    fn check(&self, if_match: Option<&str>) -> Result<(), Refusal> {
        let now = self.now();
        match if_match {
            Some(asked) if !authoring::matches(asked, &now.etag) => {
                let detail = "it has changed since that ETag was given out; look at it again";
                Err(Refusal::new(412, "changed meanwhile", detail).with_current(&now))
            }
            _ => Ok(()),
        }
    }
}

fn unknown(id: &ArtifactId) -> Refusal {
    Refusal::new(404, "no such artifact", format!("no collection's manifest names {id}"))
}

fn conflict(detail: impl Into<String>) -> Refusal {
    Refusal::new(409, "cannot be done as the files are", detail)
}

fn of_files(id: &ArtifactId, error: &AuthorError) -> Refusal {
    match error {
        AuthorError::Io { .. } => Refusal::new(503, "the files cannot be written", author::told(id, error)),
        _ => conflict(author::told(id, error)),
    }
}

impl Engine {
    /// Do what was asked; the artifact afterwards, or as it last was.
    pub(super) async fn author(&mut self, what: Authoring) -> Result<Artifact, Refusal> {
        if !matches!(what, Authoring::Show { .. }) {
            // There is room for one intent, and the one that is there stands for somebody's files.
            self.finish_authoring().await.map_err(|why| {
                let detail = format!("an earlier change has to be finished first: {why}");
                Refusal::new(503, "the files cannot be written", detail)
            })?;
        }
        match what {
            Authoring::Show { id, collection } => Ok(self.current(&id, collection.as_deref())?.now()),
            Authoring::Edit { id, collection, fields, if_match } => {
                self.edit(&id, collection.as_deref(), &fields, if_match.as_deref()).await
            }
            Authoring::Create(create) => self.create(*create).await,
            Authoring::Remove { id, collection, if_match } => {
                self.remove(&id, collection.as_deref(), if_match.as_deref()).await
            }
        }
    }

    fn collection_dir(&self, collection: &str) -> PathBuf {
        self.paths.collections.join(collection)
    }

    fn manifest_path(&self, collection: &str) -> PathBuf {
        self.collection_dir(collection).join("collection.toml")
    }

    /// The directories with a manifest, the active one first.
    fn collections(&self) -> Vec<String> {
        use std::os::fd::AsFd as _;
        let root = std::fs::File::open(&self.paths.root);
        let active = root.map(|root| settings::active(root.as_fd(), "default").0).unwrap_or_default();
        let listed = std::fs::read_dir(&self.paths.collections).into_iter().flatten().flatten();
        let mut names: Vec<String> = listed
            .filter(|entry| entry.path().join("collection.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_by_key(|name| (*name != active, name.clone()));
        names
    }

    fn manifest_text(&self, collection: &str) -> Result<String, Refusal> {
        let read = std::fs::read_to_string(self.manifest_path(collection));
        read.map_err(|error| {
            conflict(format!("collections/{collection}/collection.toml cannot be read: {error}"))
        })
    }

    /// The artifact, in this collection or in the first that has it.
    fn current(&self, id: &ArtifactId, collection: Option<&str>) -> Result<Current, Refusal> {
        let mut names = self.collections();
        if let Some(wanted) = collection {
            names.retain(|name| name == wanted);
            if names.is_empty() {
                let detail = format!("there is no collection {wanted} with a manifest");
                return Err(Refusal::new(404, "no such collection", detail));
            }
        }
        for collection in names {
            let manifest = self.manifest_text(&collection)?;
            let parsed = manifest::parse(manifest.as_bytes(), None).map_err(|problem| {
                conflict(format!("collections/{collection}/collection.toml: {problem}"))
            })?;
            // Of two entries of one id the later one counts.
            let Some(entry) = parsed.manifest.entries.iter().rfind(|entry| entry.id() == *id) else {
                continue;
            };
            let file = match author::read(&self.collection_dir(&collection), entry.path(), id.kind) {
                Err(error @ AuthorError::Io { .. }) if id.kind.has_frontmatter() => {
                    return Err(conflict(author::told(id, &error)));
                }
                file => file.map_err(|error| author::told(id, &error)),
            };
            return Ok(Current { collection, entry: Arc::new(entry.unpack()), manifest, file });
        }
        Err(unknown(id))
    }

    pub(super) async fn intend(&mut self, intent: Option<&Intent>) -> Result<(), Refusal> {
        self.authored = false; // until it is known to be gone
        let saved = self.state.save_value(INTENT, intent).await;
        saved.map_err(|error| Refusal::new(503, "our own state cannot be written", board::chain(&error)))?;
        self.authored = intent.is_none();
        Ok(())
    }

    /// The new text of the manifest in place of the one that was looked at.
    async fn put_manifest(
        &self,
        current: &Current,
        patch: impl Fn(&str) -> Result<String, EditError>,
    ) -> Result<(), Refusal> {
        let mut previous = None;
        let written = write::rewrite(
            &self.manifest_path(&current.collection),
            &mut |text| {
                // Another entry may have changed since; this one must not have.
                if text != current.manifest && !says_the_same(text, &current.entry) {
                    return Err(PatchError::Changed);
                }
                Ok(patch(text)?)
            },
            &mut |text| previous = Some(text.to_vec()),
        );
        match written {
            Ok(_) => {
                if let Some(text) = previous {
                    self.keep(&current.collection, &text).await;
                }
                Ok(())
            }
            Err(WriteError::Patch(PatchError::Changed)) => Err(self.changed(&current.entry.id, current)),
            Err(error) if error.is_transient() => {
                Err(Refusal::new(503, "the manifest cannot be written", board::chain(&error)))
            }
            Err(error) => Err(conflict(board::chain(&error))),
        }
    }

    /// Somebody changed it at the same moment: as it is now.
    fn changed(&self, id: &ArtifactId, before: &Current) -> Refusal {
        let refusal =
            Refusal::new(409, "changed at the same moment", format!("somebody else has just changed {id}"));
        match self.current(id, Some(&before.collection)) {
            Ok(now) => refusal.with_current(&now.now()),
            Err(_) => refusal,
        }
    }

    async fn edit(
        &mut self,
        id: &ArtifactId,
        collection: Option<&str>,
        fields: &Fields,
        if_match: Option<&str>,
    ) -> Result<Artifact, Refusal> {
        let edits = fields.edits().map_err(|error| Refusal::new(422, "not understood", error.to_string()))?;
        let current = self.current(id, collection)?;
        current.check(if_match)?;
        if !id.kind.has_frontmatter() {
            // One file alone: there is nothing to be half done.
            let metadata = applied(&current.entry.metadata, &edits);
            self.put_manifest(&current, |text| set(text, id, &edits)).await?;
            return Ok(current.state(&metadata, current.text()));
        }
        let file = current.file.as_ref().map_err(|why| conflict(why.clone()))?;
        let after = frontmatter::edit(id.kind, &file.text, &edits)
            .map_err(|error| conflict(format!("{id}: {error}")))?;
        // What SkillMeat makes of the new file: without a description it takes one from the body.
        let extracted = follow::as_entry(&extract(id.kind, after.as_bytes()).metadata);
        let edits: Vec<FieldEdit> = edits.iter().map(|edit| as_extracted(edit, &extracted)).collect();
        set(&current.manifest, id, &edits).map_err(|error| conflict(error.to_string()))?;
        let metadata = applied(&current.entry.metadata, &edits);
        if after == file.text {
            self.put_manifest(&current, |text| set(text, id, &edits)).await?;
            return Ok(current.state(&metadata, Some(&after)));
        }
        let intent = Intent {
            collection: current.collection.clone(),
            artifact: id.to_string(),
            step: Step::Edit {
                entry_file: file.relative.clone(),
                after: authoring::digest(after.as_bytes()),
                fields: named(&edits),
            },
        };
        self.intend(Some(&intent)).await?;
        if let Err(refusal) = self.put_file(file, &after, id, &current) {
            self.intend(None).await?;
            return Err(refusal);
        }
        if let Err(refusal) = self.put_manifest(&current, |text| set(text, id, &edits)).await {
            // Neither: the entry file as it was, unless somebody has written it since.
            let _ = write::rewrite_without_lock(&file.path, &mut |text| {
                if text == after { Ok(file.text.clone()) } else { Err(PatchError::Changed) }
            });
            self.intend(None).await?;
            return Err(refusal);
        }
        self.intend(None).await?;
        tracing::info!(artifact = %id, collection = current.collection, "edited on request");
        Ok(current.state(&metadata, Some(&after)))
    }

    fn put_file(
        &self,
        file: &EntryFile,
        after: &str,
        id: &ArtifactId,
        current: &Current,
    ) -> Result<(), Refusal> {
        let written = write::rewrite_without_lock(&file.path, &mut |text| {
            if text == file.text { Ok(after.to_owned()) } else { Err(PatchError::Changed) }
        });
        match written {
            Ok(_) => Ok(()),
            Err(WriteError::Patch(_)) => Err(self.changed(id, current)),
            Err(error) if error.is_transient() => {
                Err(Refusal::new(503, "the entry file cannot be written", board::chain(&error)))
            }
            Err(error) => Err(conflict(board::chain(&error))),
        }
    }

    async fn create(&mut self, create: Create) -> Result<Artifact, Refusal> {
        let invalid = |why: String| Refusal::new(422, "not understood", why);
        let kind = create.kind.parse().map_err(|error| invalid(format!("{error}")))?;
        let id = ArtifactId::new(kind, create.name);
        let (path, entry) = authoring::place(&id).map_err(|error| invalid(error.to_string()))?;
        let edits = create.metadata.edits().map_err(|error| invalid(error.to_string()))?;
        if create.content.len() as u64 > author::ENTRY_MAX / 2 {
            return Err(Refusal::new(413, "request too large", "an entry file has at most 512 KiB here"));
        }
        let content =
            frontmatter::edit(kind, &create.content, &edits).map_err(|error| invalid(error.to_string()))?;
        let extracted = extract(kind, content.as_bytes());
        if let Some(problem) = extracted.problems.first().filter(|_| !extracted.sound) {
            return Err(invalid(format!("the content: {problem}")));
        }
        let names = self.collections();
        let collection = match &create.collection {
            Some(wanted) => names.into_iter().find(|name| name == wanted),
            None => names.into_iter().next(),
        };
        let Some(collection) = collection else {
            return Err(Refusal::new(
                404,
                "no such collection",
                "there is no such collection with a manifest",
            ));
        };
        let manifest = self.manifest_text(&collection)?;
        let new =
            NewEntry { id: id.clone(), path: path.clone(), metadata: follow::as_entry(&extracted.metadata) };
        let added = edit::add_entry(&manifest, &new, Utc::now().naive_utc())
            .map_err(|error| conflict(error.to_string()))?;
        // SkillMeat refuses a collection with an entry it cannot read.
        manifest::parse(added.as_bytes(), None).map_err(|problem| conflict(problem.to_string()))?;
        let root = self.collection_dir(&collection);
        let step = Step::Create {
            path: path.clone(),
            entry: entry.to_owned(),
            digest: authoring::digest(content.as_bytes()),
        };
        if root.join(&path).symlink_metadata().is_ok() {
            return Err(conflict(format!("there is something at {path} already")));
        }
        self.intend(Some(&Intent { collection: collection.clone(), artifact: id.to_string(), step })).await?;
        if let Err(error) = author::create(&root, &path, entry, &content) {
            self.intend(None).await?;
            return Err(of_files(&id, &error));
        }
        let mut previous = None;
        let written = write::rewrite(
            &self.manifest_path(&collection),
            &mut |text| edit::add_entry(text, &new, Utc::now().naive_utc()),
            &mut |text| previous = Some(text.to_vec()),
        );
        if let Err(error) = written {
            if let Some(identity) = Identity::of(&root, &path) {
                let _ = author::remove(&root, &path, identity);
            }
            self.intend(None).await?;
            return Err(conflict(board::chain(&error)));
        }
        if let Some(text) = previous {
            self.keep(&collection, &text).await;
        }
        self.intend(None).await?;
        tracing::info!(artifact = %id, collection, "made on request");
        Ok(self.current(&id, Some(&collection))?.now())
    }

    async fn remove(
        &mut self,
        id: &ArtifactId,
        collection: Option<&str>,
        if_match: Option<&str>,
    ) -> Result<Artifact, Refusal> {
        let current = self.current(id, collection)?;
        current.check(if_match)?;
        let root = self.collection_dir(&current.collection);
        let path = current.entry.path.clone();
        let files = Identity::of(&root, &path);
        // What other entries use too is not this artifact's to remove.
        let parsed = manifest::parse(current.manifest.as_bytes(), None);
        let shared = parsed.is_ok_and(|parsed| {
            let own = place(&path);
            let mut others = parsed.manifest.entries.iter().filter(|entry| entry.id() != *id);
            others.any(|entry| match (place(entry.path()), &own) {
                (Some(other), Some(own)) => inside(&other, own) || inside(own, &other),
                _ => false,
            })
        });
        let files = files.filter(|_| !shared);
        if let Some(files) = files {
            let step = Step::Remove { path: path.clone(), files };
            let intent = Intent { collection: current.collection.clone(), artifact: id.to_string(), step };
            self.intend(Some(&intent)).await?;
        }
        if let Err(refusal) =
            self.put_manifest(&current, |text| edit::remove_entry(text, id, Utc::now().naive_utc())).await
        {
            self.intend(None).await?;
            return Err(refusal);
        }
        if let Some(files) = files {
            author::remove(&root, &path, files).map_err(|error| of_files(id, &error))?;
        }
        self.intend(None).await?;
        if let Err(error) = self.confirm(current.collection.clone(), [id.clone()].into()).await {
            tracing::debug!(error = %board::chain(&error), "the removal counts until the daemon ends");
        }
        tracing::info!(artifact = %id, collection = current.collection, "removed on request");
        Ok(current.now())
    }

    /// Finish or undo a change that was cut short: by a kill in an earlier run, or by the system. Does nothing if there
    /// is none.
    ///
    /// # Errors
    /// Why it cannot be done yet; it is tried again with every reconcile. What can never be done is told and forgotten.
    pub(super) async fn finish_authoring(&mut self) -> Result<(), String> {
        if self.authored {
            return Ok(());
        }
        let intent = self.state.value::<Intent>(INTENT).await.map_err(|error| board::chain(&error))?;
        let Some(intent) = intent else {
            self.authored = true;
            return Ok(());
        };
        let (artifact, collection) = (&intent.artifact, &intent.collection);
        if let Step::Edit { entry_file, .. } = &intent.step {
            // A run that was killed may have left its temporary file among the artifact's own.
            let entry_file = self.collection_dir(collection).join(entry_file);
            self.sweep_beside(collection, &entry_file, self.began + write::STRAY_AGE).await;
        }
        match self.finish(&intent) {
            Ok(how) => tracing::info!(artifact, collection, "a change cut short was {how}"),
            Err(Unfinished::Later(why)) => return Err(format!("{artifact} in {collection}: {why}")),
            Err(Unfinished::Never(why)) => {
                tracing::warn!(artifact, collection, "a change cut short stays as it is: {why}");
            }
        }
        self.intend(None).await.map_err(|refusal| refusal.detail)
    }

    fn finish(&self, intent: &Intent) -> Result<&'static str, Unfinished> {
        let id: ArtifactId =
            intent.artifact.parse().map_err(|error| Unfinished::Never(format!("{error}")))?;
        let of_files = |error: AuthorError| Unfinished::of_files(&id, &error);
        let root = self.collection_dir(&intent.collection);
        let manifest = self.manifest_path(&intent.collection);
        let text = read_if_there(&manifest)?;
        let text = String::from_utf8_lossy(&text);
        let parsed = manifest::parse(text.as_bytes(), None);
        let has_entry =
            parsed.is_ok_and(|parsed| parsed.manifest.entries.iter().any(|entry| entry.id() == id));
        match &intent.step {
            Step::Edit { entry_file, after, fields } => {
                let bytes = read_if_there(&root.join(entry_file))?;
                if authoring::digest(&bytes) != *after {
                    return Ok("undone"); // the first step was not taken, or somebody has written since
                }
                let edits = fields.edits().map_err(|error| Unfinished::Never(error.to_string()))?;
                let written = write::rewrite(&manifest, &mut |text| set(text, &id, &edits), &mut |_| {});
                written.map(|_| "finished").map_err(|error| {
                    let why = board::chain(&error);
                    if error.is_transient() { Unfinished::Later(why) } else { Unfinished::Never(why) }
                })
            }
            Step::Create { path, entry, digest } => {
                author::tidy(&root, path).map_err(of_files)?;
                let ours = author::created(&root, path, entry)
                    .is_some_and(|bytes| authoring::digest(&bytes) == *digest);
                match Identity::of(&root, path).filter(|_| ours && !has_entry) {
                    Some(files) => {
                        author::remove(&root, path, files).map_err(of_files)?;
                        Ok("undone")
                    }
                    None => Ok("finished"),
                }
            }
            Step::Remove { path, files } if !has_entry && !text.is_empty() => {
                author::remove(&root, path, *files).map_err(of_files)?;
                Ok("finished")
            }
            Step::Remove { .. } => Ok("undone"),
        }
    }
}

fn place(path: &str) -> Option<Cow<'_, str>> {
    manifest::artifact_path(path).ok()
}

/// Whether one path is the other or below it.
fn inside(inner: &str, outer: &str) -> bool {
    inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn set(text: &str, id: &ArtifactId, edits: &[FieldEdit]) -> Result<String, EditError> {
    let edit = EntryEdit { id: id.clone(), fields: edits.to_vec() };
    edit::edit(text, &[edit], Utc::now().naive_utc())
}

fn says_the_same(text: &str, entry: &Entry) -> bool {
    manifest::parse(text.as_bytes(), None).is_ok_and(|parsed| {
        parsed
            .manifest
            .entries
            .iter()
            .rfind(|other| other.id() == entry.id)
            .is_some_and(|other| other.unpack() == *entry)
    })
}

fn applied(metadata: &Metadata, edits: &[FieldEdit]) -> Metadata {
    let mut metadata = metadata.clone();
    for edit in edits {
        edit.apply(&mut metadata);
    }
    metadata
}

/// The same field with what is read back from the new file.
fn as_extracted(edit: &FieldEdit, extracted: &Metadata) -> FieldEdit {
    match edit {
        FieldEdit::Text(field, _) => FieldEdit::Text(*field, field.of(extracted).clone()),
        FieldEdit::List(field, _) => FieldEdit::List(*field, field.of(extracted).clone()),
    }
}

/// Edits in the form in which they can be kept.
fn named(edits: &[FieldEdit]) -> Fields {
    let mut fields = Fields::default();
    for edit in edits {
        match edit {
            FieldEdit::Text(TextField::Title, value) => fields.title = Some(value.clone()),
            FieldEdit::Text(TextField::Description, value) => fields.description = Some(value.clone()),
            FieldEdit::Text(TextField::Author, value) => fields.author = Some(value.clone()),
            FieldEdit::Text(TextField::License, value) => fields.license = Some(value.clone()),
            FieldEdit::Text(TextField::Version, value) => fields.version = Some(value.clone()),
            FieldEdit::List(ListField::Tags, list) => fields.tags = Some(Some(list.clone())),
            FieldEdit::List(ListField::Tools, list) => fields.tools = Some(Some(list.clone())),
        }
    }
    fields
}
