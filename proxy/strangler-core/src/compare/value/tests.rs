use super::{class_of, number_and_text, numbers, texts};
use crate::compare::{Class, Kind, Relation};
use crate::decimal::Decimal;

const UUIDS: [&str; 2] = ["0190b5a4-6f2e-7c3a-9d7e-0123456789ab", "5f1c9a0e-1111-4222-8333-44444444abcd"];

#[test]
fn strings_have_classes() {
    let check = |text: &str, class: Class| assert_eq!(class_of(text.as_bytes()), class, "{text}");
    check("", Class::Empty);
    check(" ", Class::String);
    check("gold", Class::String);
    check("19.90", Class::String);
    check(UUIDS[0], Class::Uuid);
    check("2025-11-03 09:12:45", Class::Time);
    check("2025-11-03", Class::Time);
    check("http://a/b", Class::Url);
    check("postgres://a", Class::Url);
    check("see http://a", Class::String);
    check("://a", Class::String);
    check("http://", Class::String);
}

#[test]
fn strings_differ_in_the_most_specific_kind() {
    let check = |left: &str, right: &str, kind: Kind, relation: Option<Relation>, back: Option<Relation>| {
        assert_eq!(texts(left.as_bytes(), right.as_bytes()), Some((kind, relation)), "{left} → {right}");
        assert_eq!(texts(right.as_bytes(), left.as_bytes()), Some((kind, back)), "{right} → {left}");
    };
    let value = Kind::BodyValue;
    let both = |left: &str, right: &str, kind: Kind, relation: Option<Relation>| {
        check(left, right, kind, relation, relation);
    };
    assert_eq!(texts(b"a", b"a"), None);
    both("gold", "silver", value, None);
    both("a", "", value, None);
    both(UUIDS[0], UUIDS[1], Kind::BodyUuid, None);
    both(UUIDS[0], &UUIDS[0].to_uppercase(), value, Some(Relation::Case));
    both(UUIDS[0], "17", value, None);
    both("a b", " a\n b ", Kind::BodyWhitespace, None);
    both("ab", "a b", value, None);
    both("GOLD", "gold", value, Some(Relation::Case));
    both("ÄRGER", "ärger", value, Some(Relation::Case));
    both("/a/", "/a", value, Some(Relation::TrailingSlash));
    both("19.9", "19.90", Kind::BodyNumberPrecision, None);
    both("007", "7", value, None);
    both("2025-11-03T08:12:45Z", "2025-11-03T09:12:45+01:00", Kind::BodyTimeFormat, None);
    both("2025-11-03T08:12:45Z", "1762157565", Kind::BodyTimeFormat, None);
    both("2025-11-03T08:12:45Z", "2026-11-03T08:12:45Z", value, None);
    let (added, removed) = (Some(Relation::PrefixAdded), Some(Relation::PrefixRemoved));
    check("/img/1.png", "http://cdn/img/1.png", value, added, removed);
    let (added, removed) = (Some(Relation::SuffixAdded), Some(Relation::SuffixRemoved));
    check("/img/1", "/img/1.png", value, added, removed);
    let (later, earlier) = (Relation::TimeOffset { minutes: 60 }, Relation::TimeOffset { minutes: -60 });
    check("2025-11-03T08:12:45Z", "2025-11-03T09:12:45Z", value, Some(later), Some(earlier));
    check("2025-11-03 08:12:45", "2025-11-03T09:12:45Z", Kind::BodyTimeFormat, Some(later), Some(earlier));
    check("2025-11-03 09:12:45", "1762157565", Kind::BodyTimeFormat, Some(earlier), Some(later));
    let (more, less) = (Relation::Scaled { power: 2 }, Relation::Scaled { power: -2 });
    check("19.90", "1990", value, Some(more), Some(less));
}

#[test]
fn numbers_differ_in_the_most_specific_kind() {
    let check =
        |left: &str, right: &str, tolerance: Option<&str>, wanted: Option<(Kind, Option<Relation>)>| {
            let tolerance = tolerance.and_then(|text| Decimal::read(text.as_bytes()));
            assert_eq!(
                numbers(left.as_bytes(), right.as_bytes(), tolerance.as_ref()),
                wanted,
                "{left} → {right}"
            );
        };
    let value = |relation| Some((Kind::BodyValue, relation));
    let precision = Some((Kind::BodyNumberPrecision, None));
    check("19.9", "19.9", None, None);
    check("19.9", "19.90", None, precision);
    check("19.9", "1.99e1", None, precision);
    check("1", "1.0", None, precision);
    check("0", "-0", None, precision);
    check("19.9", "19.90", Some("0"), None);
    check("19.9", "19.91", Some("0.01"), None);
    check("19.9", "19.911", Some("0.01"), value(Some(Relation::Rounded { places: 1 })));
    check("5", "7", None, value(None));
    check("9007199254740993", "9007199254740992", None, value(None));
    check("19.99", "1999", None, value(Some(Relation::Scaled { power: 2 })));
    check("20", "2000", None, value(Some(Relation::Scaled { power: 2 })));
    check("1500", "1.5", None, value(Some(Relation::Scaled { power: -3 })));
    check("5", "-5", None, value(Some(Relation::Negated)));
    check("12.3456", "12.35", None, value(Some(Relation::Rounded { places: 2 })));
    check("12.30", "12.3019", None, value(Some(Relation::Rounded { places: 2 })));
    check("12.00", "12.0019", None, value(Some(Relation::Rounded { places: 2 })));
    check("3.7", "4", None, value(Some(Relation::Rounded { places: 0 })));
    check("3.7", "3", None, value(Some(Relation::Cut { places: 0 })));
    check("3.14159", "3.142", None, value(Some(Relation::Rounded { places: 3 })));
    // A cent more or less is no rounding, whatever the last digit.
    check("65.27", "65.26", None, value(None));
    check("65.3", "65.29", None, value(None));
    check("65.3", "65.28", None, value(None));
    check("65.00", "65.01", None, value(None));
    check("65", "65.27", None, value(Some(Relation::Rounded { places: 0 })));
    check(
        "1762157565",
        "1762157565000",
        None,
        Some((Kind::BodyTimeFormat, Some(Relation::Scaled { power: 3 }))),
    );
    check("1e99999999999999999999", "1", None, value(None));
    check("1e99999999999999999999", "1e99999999999999999999", None, None);
}

#[test]
fn a_number_and_a_string_differ_in_type_unless_they_are_one_instant() {
    let check = |number: &str, text: &str, kind: Kind, relation: Option<Relation>| {
        assert_eq!(number_and_text(number.as_bytes(), text.as_bytes()), (kind, relation), "{number} {text}");
    };
    check("19.9", "19.90", Kind::BodyType, Some(Relation::StringNumber));
    check("19.9", "19.91", Kind::BodyType, None);
    check("19.9", "", Kind::BodyType, None);
    check("1762157565", "2025-11-03T08:12:45Z", Kind::BodyTimeFormat, None);
    check(
        "1762157565",
        "2025-11-03 09:12:45",
        Kind::BodyTimeFormat,
        Some(Relation::TimeOffset { minutes: 60 }),
    );
    check("1762157566", "2025-11-03T08:12:45Z", Kind::BodyType, None);
}
