use super::*;

const ENGLISH: &str = "hello = Hello, { $name }\nbye = Bye";

fn build(languages: &[(&str, &str)]) -> Result<String> {
    let owned = |(tag, text): &(&str, &str)| ((*tag).to_owned(), (*text).to_owned());
    messages(&languages.iter().map(owned).collect())
}

fn refusal(languages: &[(&str, &str)]) -> String {
    build(languages).unwrap_err().to_string()
}

#[test]
fn each_message_is_a_method_with_its_variables() {
    let german = "bye = Tschüs\nhello = { $name }, hallo";
    let code = build(&[("de", german), ("en", ENGLISH)]).unwrap();
    assert!(code.contains("fn bye(&self) -> String"), "{code}");
    assert!(
        code.contains("fn hello(&self, name: &str) -> String"),
        "{code}"
    );
    let first = code.find("en.ftl").unwrap();
    assert!(first < code.find("de.ftl").unwrap(), "English is the first");
}

#[test]
fn a_number_in_one_language_is_a_number_in_all() {
    let english = "keys = Keys: { $count }";
    let german =
        "keys = { $count ->\n    [one] Ein Schlüssel\n   *[other] { $count } Schlüssel\n }";
    let code = build(&[("de", german), ("en", english)]).unwrap();
    assert!(
        code.contains("fn keys(&self, count: u64) -> String"),
        "{code}"
    );
}

#[test]
fn languages_that_differ_do_not_build() {
    for (german, cause) in [
        ("hello = Hallo, { $name }", "it lacks `bye`"),
        (
            "hello = Hallo, { $name }\nbye = Tschüs\nmore = Mehr",
            "`more` is not in en.ftl",
        ),
        (
            "hello = Hallo\nbye = Tschüs",
            "`hello` has not the variables",
        ),
        (
            "hello = Hallo, { $nmae }\nbye = Tschüs",
            "`hello` has not the variables",
        ),
        (
            "hello = Hallo, { $name } { $name2 }\nbye = Tschüs",
            "`hello` has not the variables",
        ),
    ] {
        let refusal = refusal(&[("en", ENGLISH), ("de", german)]);
        assert!(refusal.starts_with("de.ftl: "), "{refusal}");
        assert!(refusal.contains(cause), "{refusal}");
    }
}

#[test]
fn what_is_not_known_does_not_build() {
    for (english, cause) in [
        ("bye = Bye\nhello Hello", "line 2"),
        ("bye = Bye\nbye = Bye", "`bye` stands there twice"),
        ("bye =\n    .title = Bye", "an attribute"),
        ("-brand = Ours", "the term `-brand`"),
        ("bye = Bye, { -brand }", "a reference to `brand`"),
        ("bye = { hello }", "a reference to `hello`"),
        ("bye = { NUMBER($count) }", "NUMBER"),
        ("bye = { NUMBER($count) ->\n   *[other] Bye\n }", "NUMBER"),
    ] {
        let refusal = refusal(&[("en", english)]);
        assert!(refusal.starts_with("en.ftl: "), "{refusal}");
        assert!(refusal.contains(cause), "{refusal}");
    }
    assert_eq!(refusal(&[("de", ENGLISH)]), "there is no en.ftl");
}
