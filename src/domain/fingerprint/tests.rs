//! The expected values were computed by SkillMeat 0.74.0 on real trees of these files
//! (`compute_content_hash`, `compute_artifact_fingerprint`, `compute_artifact_fingerprints`).

use proptest::prelude::*;

use super::*;

fn directory(files: &[(&str, &[u8])]) -> Fingerprint {
    let mut files = files.to_vec();
    files.sort_by(|a, b| by_component(a.0, b.0));
    let mut hasher = Hasher::directory();
    for (path, bytes) in files {
        hasher.begin(path);
        hasher.bytes(bytes);
    }
    hasher.finish()
}

fn single(name: &str, bytes: &[u8]) -> Fingerprint {
    let mut hasher = Hasher::single_file(name);
    hasher.bytes(bytes);
    hasher.finish()
}

#[track_caller]
fn check(
    actual: &Fingerprint,
    lock: &str,
    artifact: &str,
    structure: &str,
    file_count: u64,
    total_size: u64,
) {
    let expected = Fingerprint {
        lock_content_hash: Sha256Hex::parse(lock).unwrap(),
        artifact_fingerprint: Sha256Hex::parse(artifact).unwrap(),
        structure_hash: Sha256Hex::parse(structure).unwrap(),
        file_count,
        total_size,
    };
    assert_eq!(actual, &expected);
}

#[test]
fn directories_hash_as_skillmeat_hashes_them() {
    let one = "5616fcf4c7452f812ec68cc56eb97cf0e59adda7e3235482dd6bc8318c1c4b8d";
    check(
        &directory(&[("SKILL.md", b"# one\n")]),
        one,
        one,
        "0e95f5a3666031d6fac42bc6ca698b40b61648f4974c8ec355181ed4888c5c26",
        1,
        6,
    );
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check(&directory(&[]), nothing, nothing, nothing, 0, 0);
    let bytes: Vec<u8> = (0..300).flat_map(|_| 0..=255u8).collect();
    let odd = "4456f94d7833c0e587af8b8b08e997ba5754a2596cb0a6e3a5a2b7c2f401ae67";
    check(
        &directory(&[
            ("SKILL.md", b"\xef\xbb\xbf---\r\nname: x\r\n---\r\n"),
            ("bin", &bytes),
            (".git/HEAD", b"ref"),
            ("__pycache__/m.pyc", b"\0"),
            ("deep/er/and/deeper/f", b"end"),
        ]),
        odd,
        odd,
        "95dd2eaf22d018566aa57346a5c2f1e0711f781b5465d2fc88576c7f04e1cf7d",
        5,
        76829,
    );
}

#[test]
fn content_goes_by_component_and_structure_by_whole_string() {
    let hash = "e2098e040c2270905f848f077cd2b9f23751e4d6506eaa3dfb28f5e8af4a3bff";
    check(
        &directory(&[
            ("a-b/x", b"1"),
            ("a/x", b"2"),
            ("a.md", b"3"),
            ("a/y/z", b"4"),
            ("B", b"5"),
            ("a0", b"6"),
            ("\u{fc}.md", b"7"),
            ("\u{1f600}", b"8"),
            ("\u{ffee}", b"9"),
        ]),
        hash,
        hash,
        "ff9516ea0fb47e106c77375aaeabdc320dc5a46f2922a2eb265b3555f3352a8a",
        9,
        9,
    );
}

#[test]
fn nothing_separates_a_path_from_the_bytes_after_it() {
    let hash = "bbb59da3af939f7af5f360f2ceb80a496e3bae1cd87dde426db0ae40677e1c2c";
    check(
        &directory(&[("ab", b"c"), ("abc", b"")]),
        hash,
        hash,
        "dc140e8b13ca3cb919c4277d32faea9a02102e0faa967818cca2967838fba612",
        2,
        1,
    );
}

#[test]
fn a_single_file_has_two_hashes() {
    check(
        &single("hello.md", b"# hello\n"),
        "9e8b62f81ea5c66fa06ee53da032751386b37702153070c0e14dd1d316282fa7",
        "4ea172f9b30607854ec8ebcbc1c2f683b936e52b5537daaabf58963c18964867",
        "f9daf5f32a5233100725ea26c3fe9af440fc00c23f36636f4f6d008b2074954c",
        1,
        8,
    );
    check(
        &single("empty.md", b""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "c86d8cb28dfb34452cf427d6bc7feb8d9f45bcded1f7997dcabc729b0de701c0",
        "c86d8cb28dfb34452cf427d6bc7feb8d9f45bcded1f7997dcabc729b0de701c0",
        1,
        0,
    );
}

proptest! {
    /// The one-pass comparison is the comparison of the lists of components.
    #[test]
    fn component_order_is_the_order_of_component_lists(a in "[a\\-./é]{1,8}", b in "[a\\-./é]{1,8}") {
        let split = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(by_component(&a, &b), split(&a).cmp(&split(&b)));
    }

    /// Where a file's bytes are cut makes no difference.
    #[test]
    fn pieces_of_any_size_add_up(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
        let mut hasher = Hasher::directory();
        hasher.begin("f");
        let (head, tail) = bytes.split_at(at.min(bytes.len()));
        hasher.bytes(head);
        hasher.bytes(tail);
        prop_assert_eq!(hasher.finish(), directory(&[("f", &bytes)]));
    }
}
