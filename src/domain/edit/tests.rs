mod laws;
mod lists;

use super::*;
use crate::domain::model::Kind;

fn id(id: &str) -> ArtifactId {
    id.parse().unwrap()
}

fn text(field: TextField, value: &str) -> FieldEdit {
    FieldEdit::Text(field, Some(value.to_owned()))
}

fn list(field: ListField, values: &[&str]) -> FieldEdit {
    FieldEdit::List(field, values.iter().map(|&v| v.to_owned()).collect())
}

fn now() -> NaiveDateTime {
    chrono::DateTime::from_timestamp(1_767_225_600, 123_456_789).unwrap().naive_utc()
}

fn edited(manifest: &str, of: &str, fields: &[FieldEdit]) -> Result<String, EditError> {
    edit(manifest, &[EntryEdit { id: id(of), fields: fields.to_vec() }], now())
}

/// The edit of `skill:pdf` turns `before` into `after`, and does nothing when made again.
#[track_caller]
fn check(before: &str, fields: &[FieldEdit], after: &str) {
    let once = edited(before, "skill:pdf", fields).unwrap();
    assert_eq!(once, after);
    assert_eq!(edited(&once, "skill:pdf", fields).unwrap(), once, "made a second time");
}

const ENTRY: &str = "[[artifacts]]\nname = \"pdf\"\ntype = \"skill\"\n";

#[test]
fn a_value_is_replaced_where_it_stands() {
    check(
        "# mine\r\n[collection] # c\r\nname = 'default'\r\nupdated =  \"2025-01-01T00:00:00\"  # when\r\n\r\n\
         [[artifacts]]\r\nname = 'pdf'\r\ntype = \"skill\" \r\nx_mine = [1,2]\r\n\r\n  [artifacts.metadata]\r\n  \
         title  =  'Old'   # note\r\n  author = 'A'\r\n\r\n[my_tool]\r\nkeep = true\r\n",
        &[text(TextField::Title, "New")],
        "# mine\r\n[collection] # c\r\nname = 'default'\r\nupdated =  \"2026-01-01T00:00:00.123456\"  # when\r\n\r\n\
         [[artifacts]]\r\nname = 'pdf'\r\ntype = \"skill\" \r\nx_mine = [1,2]\r\n\r\n  [artifacts.metadata]\r\n  \
         title  =  \"New\"   # note\r\n  author = 'A'\r\n\r\n[my_tool]\r\nkeep = true\r\n",
    );
}

#[test]
fn new_keys_go_where_skillmeat_writes_them() {
    check(
        &format!(
            "{ENTRY}path = \"skills/pdf\"\nadded = \"2026-01-01\"\nuuid = \"u\"\n\n\
             [artifacts.metadata]\nauthor = \"A\"\nextra_key = 1\n\n[[artifacts]]\nname = \"z\"\ntype = \"skill\"\n"
        ),
        &[
            text(TextField::Version, ""),
            text(TextField::Title, "T"),
            list(ListField::Tags, &["a", "b"]),
            list(ListField::Tools, &["Bash"]),
        ],
        &format!(
            "{ENTRY}path = \"skills/pdf\"\nadded = \"2026-01-01\"\ntags = [\n    \"a\",\n    \"b\",\n]\nuuid = \"u\"\n\n\
             [artifacts.metadata]\ntitle = \"T\"\nauthor = \"A\"\nversion = \"\"\ntools = [\n    \"Bash\",\n]\n\
             extra_key = 1\n\n[[artifacts]]\nname = \"z\"\ntype = \"skill\"\n"
        ),
    );
}

#[test]
fn a_missing_metadata_table_is_made_before_the_sub_tables() {
    check(
        &format!("{ENTRY}\n# about extra\n[artifacts.metadata.extra]\nk = 1\n"),
        &[text(TextField::Title, "T"), list(ListField::Tags, &["a"])],
        &format!(
            "{ENTRY}tags = [\n    \"a\",\n]\n\n[artifacts.metadata]\ntitle = \"T\"\n\n\
             # about extra\n[artifacts.metadata.extra]\nk = 1\n"
        ),
    );
}

#[test]
fn a_missing_metadata_table_is_made_at_the_end_of_a_file_without_a_last_newline() {
    check(
        ENTRY.trim_end(),
        &[text(TextField::License, "MIT")],
        &format!("{ENTRY}\n[artifacts.metadata]\nlicense = \"MIT\"\n"),
    );
    check(
        "[[artifacts]]\r\ntype = \"skill\"\r\nname = \"pdf\"",
        &[list(ListField::Tags, &["a"])],
        "[[artifacts]]\r\ntype = \"skill\"\r\nname = \"pdf\"\r\ntags = [\r\n    \"a\",\r\n]\r\n",
    );
}

#[test]
fn the_metadata_table_is_never_dropped_and_comments_stay() {
    check(
        &format!(
            "{ENTRY}tags = [\n  \"a\", # first\n] # all\n\n[artifacts.metadata]\n# why\ntitle = \"T\" # because\n"
        ),
        &[FieldEdit::Text(TextField::Title, None), list(ListField::Tags, &[])],
        &format!("{ENTRY}# first\n# all\n\n[artifacts.metadata]\n# why\n# because\n"),
    );
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let manifest = format!("{ENTRY}tags = []\n");
    for field in
        [FieldEdit::Text(TextField::Title, None), list(ListField::Tags, &[]), list(ListField::Tools, &[])]
    {
        assert_eq!(edited(&manifest, "skill:pdf", &[field]).unwrap(), manifest);
    }
}

#[test]
fn dotted_and_inline_metadata_keep_their_form() {
    check(
        &format!("{ENTRY}  metadata.author = \"A\" # who\nmetadata.extra.k = 1\n"),
        &[text(TextField::Title, "T"), text(TextField::License, "L")],
        &format!(
            "{ENTRY}  metadata.title = \"T\"\n  metadata.author = \"A\" # who\n  metadata.license = \"L\"\n\
             metadata.extra.k = 1\n"
        ),
    );
    check(
        &format!("{ENTRY}metadata = {{ author = \"A\", x = {{ y = [1, 2] }} }} # who\n"),
        &[
            text(TextField::Title, "T"),
            FieldEdit::Text(TextField::Author, None),
            list(ListField::Tools, &["Bash", "Read"]),
        ],
        &format!(
            "{ENTRY}metadata = {{ title = \"T\", tools = [\"Bash\", \"Read\"], x = {{ y = [1, 2] }} }} # who\n"
        ),
    );
    check(
        &format!("{ENTRY}metadata = {{title = \"T\"}}\n"),
        &[FieldEdit::Text(TextField::Title, None)],
        &format!("{ENTRY}metadata = {{}}\n"),
    );
}

#[test]
fn an_inline_array_of_entries_is_edited_in_place() {
    let before = "artifacts = [\n  { name = \"other\", type = \"skill\" }, # one\n  \
                  { name = \"pdf\", type = \"skill\", metadata.author = \"A\", added = \"x\" }, # two\n]\n\
                  collection = { name = \"c\", updated = \"then\" }\n";
    check(
        before,
        &[text(TextField::Title, "T"), list(ListField::Tags, &["a"])],
        "artifacts = [\n  { name = \"other\", type = \"skill\" }, # one\n  \
         { name = \"pdf\", type = \"skill\", metadata.title = \"T\", metadata.author = \"A\", added = \"x\", tags = [\"a\"] }, # two\n]\n\
         collection = { name = \"c\", updated = \"2026-01-01T00:00:00.123456\" }\n",
    );
    check(
        "artifacts = [{name = \"pdf\", type = \"skill\", uuid = \"u\"}]",
        &[text(TextField::Title, "T")],
        "artifacts = [{name = \"pdf\", type = \"skill\", metadata = { title = \"T\" }, uuid = \"u\"}]",
    );
}

#[test]
fn an_array_keeps_its_shape_its_comments_and_the_spelling_of_what_stays() {
    check(
        &format!("{ENTRY}tags = [ 'a', \"b\" ] # t\n"),
        &[list(ListField::Tags, &["c", "a"])],
        &format!("{ENTRY}tags = [ \"c\", 'a' ] # t\n"),
    );
    check(
        &format!(
            "{ENTRY}tags = [ # mine\n  # about a\n  'a', # the first\n  # about b\n  \"b\", # gone\n  \"c\" # last\n  # end\n  ]\n"
        ),
        &[list(ListField::Tags, &["new", "c", "a"])],
        &format!(
            "{ENTRY}tags = [ # mine\n  \"new\",\n  # about b\n  # gone\n  \"c\", # last\n  # about a\n  'a', # the first\n  # end\n  ]\n"
        ),
    );
}

#[test]
fn tags_of_the_metadata_are_tags_of_the_entry() {
    let manifest = format!("{ENTRY}tags = [\"a\"]\n\n[artifacts.metadata]\ntags = [\"b\", \"a\"] # old\n");
    check(&manifest, &[list(ListField::Tags, &["a", "b"])], &manifest);
    check(
        &manifest,
        &[list(ListField::Tags, &["b"])],
        &format!("{ENTRY}tags = [\"b\"]\n\n[artifacts.metadata]\n# old\n"),
    );
}

#[test]
fn strings_are_written_as_tomli_w_writes_them() {
    let odd = "q\" b\\ n\n r\r t\t b\u{8} f\u{c} n\u{0} e\u{1b} d\u{7f} ü\u{85}😀";
    check(
        &format!("{ENTRY}\n[artifacts.metadata]\ntitle = '''x\ny'''\n"),
        &[text(TextField::Title, odd)],
        &format!(
            "{ENTRY}\n[artifacts.metadata]\n\
             title = \"q\\\" b\\\\ n\\n r\\r t\t b\\b f\\f n\\u0000 e\\u001b d\\u007f ü\u{85}😀\"\n"
        ),
    );
}

#[test]
fn brackets_and_quotes_in_values_are_not_structure() {
    let odd = "[[artifacts]]\nname = \"pdf\"\ntype = \"skill\"\nx = \"\"\"\n[[artifacts]]\nname = \"fake\" # \\\"\"\"\"\"\ny = '''\n[artifacts.metadata]\n'''\nz = [\n  \"]\", # ]\n  [ ']' ],\n]\n\n[\"artifacts\" . 'metadata'] # [x]\nauthor = \"A\"\n";
    let after = odd.replace("author = \"A\"\n", "title = \"T\"\nauthor = \"A\"\n");
    check(odd, &[text(TextField::Title, "T")], &after);
    assert_eq!(edited(odd, "skill:fake", &[]), Err(EditError::NoEntry(id("skill:fake"))));
}

#[test]
fn tables_in_between_do_not_end_an_entry() {
    check(
        &format!("{ENTRY}\n[collection]\nupdated = \"x\"\n\n[artifacts.metadata]\ntitle = \"T\"\n"),
        &[text(TextField::Title, "U")],
        &format!(
            "{ENTRY}\n[collection]\nupdated = \"2026-01-01T00:00:00.123456\"\n\n[artifacts.metadata]\ntitle = \"U\"\n"
        ),
    );
}

#[test]
fn the_later_of_two_entries_is_edited() {
    check(
        &format!("{ENTRY}\n{ENTRY}"),
        &[list(ListField::Tags, &["a"])],
        &format!("{ENTRY}\n{ENTRY}tags = [\n    \"a\",\n]\n"),
    );
}

#[test]
fn a_name_is_found_however_it_is_spelled() {
    let name = "a\nb\"c";
    let edits =
        [EntryEdit { id: ArtifactId::new(Kind::Skill, name), fields: vec![text(TextField::Title, "T")] }];
    for spelled in [r#""a\nb\"c""#, "'''\na\nb\"c'''", "\"\"\"a\nb\\u0022c\"\"\""] {
        let manifest = format!("[[artifacts]]\ntype = 'skill'\nname = {spelled}\n");
        assert_eq!(
            edit(&manifest, &edits, now()).unwrap(),
            format!("{manifest}\n[artifacts.metadata]\ntitle = \"T\"\n"),
        );
    }
}

#[test]
fn what_cannot_be_edited_is_told() {
    let title = [text(TextField::Title, "T")];
    let line = |manifest: &str| match edited(manifest, "skill:pdf", &title) {
        Err(EditError::Syntax { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line("[[artifacts]]\nname = \"pdf\ntype = \"skill\"\n"), 2);
    assert_eq!(line("a = 1\n[[artifacts]\n"), 2);
    assert_eq!(line("a = [1,\n"), 1);
    assert_eq!(line("a = 1]\n"), 1);
    assert_eq!(line("a = \"\"\"x\n"), 1);
    assert_eq!(line("# a\n\n[[artifacts]]\nname = \"pdf\"\ntype = \n"), 5);
    assert_eq!(
        line("[[artifacts]]\nname = \"pdf\"\ntype = \"skill\"\n[artifacts.metadata]\ntitle = 1 2\n"),
        5
    );
    let shape = |manifest: &str, field: FieldEdit| match edited(manifest, "skill:pdf", &[field]) {
        Err(EditError::Shape { path }) => path,
        other => panic!("{other:?}"),
    };
    assert_eq!(shape(&format!("{ENTRY}metadata = 1\n"), title[0].clone()), "artifacts.metadata");
    assert_eq!(shape(&format!("{ENTRY}[[artifacts.metadata]]\n"), title[0].clone()), "artifacts.metadata");
    assert_eq!(shape(&format!("{ENTRY}[artifacts.tags]\n"), list(ListField::Tags, &["a"])), "artifacts.tags");
    assert_eq!(shape(&format!("{ENTRY}[artifacts.metadata]\ntitle.x = 1\n"), title[0].clone()), "title");
    assert_eq!(edited("", "skill:pdf", &title), Err(EditError::NoEntry(id("skill:pdf"))));
    assert_eq!(edited("artifacts = []\n", "skill:pdf", &title), Err(EditError::NoEntry(id("skill:pdf"))));
    assert_eq!(edited(ENTRY, "command:pdf", &title), Err(EditError::NoEntry(id("command:pdf"))));
}

#[test]
fn times_are_spelled_as_python_spells_them() {
    let at = |secs, nanos| isoformat(chrono::DateTime::from_timestamp(secs, nanos).unwrap().naive_utc());
    assert_eq!(at(0, 0), "1970-01-01T00:00:00");
    assert_eq!(at(1_767_225_600, 1_000), "2026-01-01T00:00:00.000001");
    assert_eq!(at(1_767_225_600, 999), "2026-01-01T00:00:00");
    assert_eq!(at(1_767_225_659, 1_999_999_999), "2026-01-01T00:00:59.999999");
}

#[test]
fn the_only_group_gives_way_to_another() {
    use crate::domain::owned::{GroupValue, Groups};
    let text = "[collection]\nname = \"d\"\nversion = \"1.0.0\"\ncreated = \"2026-01-01T00:00:00\"\nupdated = \"2026-01-01T00:00:00\"\n\n[[artifacts]]\nname = \"a\"\ntype = \"skill\"\npath = \"skills/a\"\norigin = \"local\"\nadded = \"2026-01-01T00:00:00\"\n\n[[groups]]\nname = \"Docs\"\ndescription = \"\"\ncolor = \"rose\"\nicon = \"layers\"\nposition = 0\nmembers = [\n    \"skill:a\",\n]\n";
    let mut groups = Groups::default();
    groups.push(
        "Papers",
        GroupValue {
            color: "rose".into(),
            icon: "layers".into(),
            members: vec!["skill:a".into()],
            ..GroupValue::default()
        },
    );
    let edits = SectionEdits { groups: Some(groups), ..SectionEdits::default() };
    let out = edit_sections(text, &edits, now()).unwrap();
    assert_eq!(out.matches("[[groups]]").count(), 1, "{out}");
    assert!(out.contains("name = \"Papers\""), "{out}");
}
