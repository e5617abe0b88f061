//! Which file of an artifact holds its frontmatter (`skillmeat.utils.metadata.find_metadata_file`).

use crate::domain::model::Kind;

/// The name of the entry file, chosen among the names of the files right inside the artifact's directory, or, for an
/// artifact that is a single file, that file's own name.
///
/// A skill has `SKILL.md`, in exactly this letter case. A command or an agent may be a `.md` file, or a directory
/// with `command.md`, or with `AGENT.md` or else `agent.md`, or else with any `.md` file; SkillMeat takes the first one
/// the file system lists, which is no order at all, so here it is the first by name. A soul is a `.md` file. The
/// other kinds have none. Names with a `/` in them are not looked at.
pub fn entry_file<'a>(kind: Kind, is_dir: bool, files: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut files = files.into_iter().filter(|name| !name.contains('/'));
    match (kind, is_dir) {
        // Python sees no suffix in a name that is nothing but `.md`.
        (Kind::Command | Kind::Agent | Kind::Soul, false) => {
            files.next().filter(|name| name.ends_with(".md") && *name != ".md")
        }
        (Kind::Skill, true) => files.find(|name| *name == "SKILL.md"),
        (Kind::Command, true) => best(files, &["command.md"]),
        (Kind::Agent, true) => best(files, &["AGENT.md", "agent.md"]),
        _ => None,
    }
}

/// The first of the preferred names that is there, else the first `.md` name.
fn best<'a>(files: impl Iterator<Item = &'a str>, preferred: &[&str]) -> Option<&'a str> {
    let rank = |name: &str| preferred.iter().position(|p| *p == name).unwrap_or(preferred.len());
    files.filter(|name| name.ends_with(".md")).min_by_key(|name| (rank(name), *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for (kind, is_dir, files, expected) in [
            (Kind::Skill, true, &["README.md", "SKILL.md"][..], Some("SKILL.md")),
            (Kind::Skill, true, &["skill.md", "README.md"], None),
            (Kind::Skill, true, &["docs/SKILL.md"], None),
            (Kind::Skill, false, &["SKILL.md"], None),
            (Kind::Command, false, &["go.md"], Some("go.md")),
            (Kind::Command, false, &["go.MD"], None),
            (Kind::Command, false, &[".md"], None),
            (Kind::Command, true, &["a.md", "command.md"], Some("command.md")),
            (Kind::Command, true, &["z.txt", "b.md", "a.md"], Some("a.md")),
            (Kind::Agent, true, &["a.md", "agent.md", "AGENT.md"], Some("AGENT.md")),
            (Kind::Agent, true, &["a.md", "agent.md"], Some("agent.md")),
            (Kind::Agent, true, &["notes.txt"], None),
            (Kind::Soul, false, &["me.md"], Some("me.md")),
            (Kind::Soul, true, &["me.md"], None),
            (Kind::Hook, false, &["h.md"], None),
            (Kind::Workflow, true, &["w.md"], None),
        ] {
            assert_eq!(entry_file(kind, is_dir, files.iter().copied()), expected, "{kind} {files:?}");
        }
    }
}
