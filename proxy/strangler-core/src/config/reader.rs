//! Typed reading of tables, collecting problems.
//!
//! A [`Reader`] hands out the entries of one table and afterwards names the keys that nobody asked for. The
//! functions beside it turn one entry into one type; a wrong value is reported where it stands and read as
//! `None`, so that the rest is still read.

use std::borrow::Cow;
use std::time::Duration;

use super::code::{self, Code};
use super::document::{Kind, Table, Text, Value};
use super::problems::{Context, Problem};
use super::suggest;
use super::units::{self, UnitError};
use crate::words::Share;

/// A value and the key it is the value of, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'v, 't> {
    pub(super) key: &'v str,
    pub(super) value: &'v Value<'t>,
}

/// One table being read.
pub(super) struct Reader<'v, 't> {
    what: Cow<'v, str>,
    table: &'v Table<'t>,
    asked: Vec<&'static str>,
}

impl<'v, 't> Reader<'v, 't> {
    /// `what` names the table in messages, such as `[server]`.
    pub(super) fn new(what: impl Into<Cow<'v, str>>, table: &'v Table<'t>) -> Reader<'v, 't> {
        Reader { what: what.into(), table, asked: Vec::with_capacity(8) }
    }

    /// The entry of a key, if the table has it.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Item<'v, 't>> {
        self.asked.push(key);
        self.table.get(key).map(|entry| Item { key, value: &entry.value })
    }

    /// The entry of a key as a type; `None` where it is absent or wrong.
    pub(super) fn read<T>(
        &mut self,
        context: &Context<'_, '_>,
        key: &'static str,
        read: impl FnOnce(&Context<'_, '_>, Item<'v, 't>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|item| read(context, item))
    }

    /// Keys that are read elsewhere.
    pub(super) fn also(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Reports every key that nobody asked for.
    pub(super) fn done(self, context: &Context<'_, '_>) {
        for entry in &self.table.entries {
            if self.asked.iter().all(|asked| *asked != entry.key) && !context.is_full() {
                let message = format!("unknown key `{}` in {}", entry.key, self.what);
                // `[upstream.x]` means `[upstreams.x]`, though there is an `upstream` elsewhere.
                let is_table = matches!(entry.value.kind, Kind::Table(_));
                let meant = suggest::nearest(&entry.key, self.asked.iter().copied());
                let help = match suggest::home(&entry.key) {
                    Some(home) if meant.is_none() || !is_table => {
                        format!("`{}` has its place {home}", entry.key)
                    }
                    _ => suggest::help(&entry.key, &self.asked).unwrap_or_else(|| {
                        "remove it; the configuration reference lists the keys that there are".to_owned()
                    }),
                };
                context.report(Problem::new(code::UNKNOWN_KEY, entry.key_span, message).help(help));
            }
        }
    }
}

/// Reports a value of the wrong type.
pub(super) fn wrong_type(context: &Context<'_, '_>, item: Item<'_, '_>, wanted: &str) {
    let message = format!("`{}` must be {wanted}, not {}", item.key, item.value.type_name());
    let help = match (&item.value.kind, wanted) {
        (_, wanted) if wanted.contains("table") => "such as { key = \"value\" }",
        (Kind::Text(_), wanted) if wanted.contains("list") => "put it in brackets: [\"…\"]",
        (Kind::Text(_), _) => "write it without quotes",
        (Kind::List(_), _) => "it is one value: leave the brackets out",
        (Kind::Table(_), _) => "it has no keys of its own",
        _ => "a text stands in quotes: \"…\"",
    };
    context.report(Problem::new(code::WRONG_TYPE, item.value.span, message).help(help));
}

/// Reports a value that has the right type and cannot be used.
pub(super) fn refuse(context: &Context<'_, '_>, item: Item<'_, '_>, code: Code, why: &str, help: &str) {
    let shown = item.value.as_text().map(|text| format!(" = \"{}\"", text.written())).unwrap_or_default();
    let message = format!("`{}{shown}`: {why}", item.key);
    context.report(Problem::new(code, item.value.span, message).help(help));
}

/// A string.
pub(super) fn text<'v, 't>(context: &Context<'_, '_>, item: Item<'v, 't>) -> Option<&'v Text<'t>> {
    let text = item.value.as_text();
    if text.is_none() {
        wrong_type(context, item, "a string");
    }
    text
}

/// A string that says something.
pub(super) fn name<'v>(context: &Context<'_, '_>, item: Item<'v, '_>) -> Option<&'v str> {
    let text = text(context, item)?;
    if text.value.trim().is_empty() {
        refuse(context, item, code::BAD_VALUE, "it must not be empty", "write a name, or leave the key out");
        return None;
    }
    Some(&text.value)
}

/// A string, owned.
pub(super) fn string(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<String> {
    name(context, item).map(str::to_owned)
}

/// A string that may be empty, owned.
pub(super) fn any_string(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<String> {
    text(context, item).map(|text| text.value.clone().into_owned())
}

/// `true` or `false`.
pub(super) fn boolean(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<bool> {
    if let Kind::Bool(value) = item.value.kind {
        return Some(value);
    }
    wrong_type(context, item, "`true` or `false`");
    None
}

/// A whole number in a range.
pub(super) fn integer<T: TryFrom<i64>>(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    range: std::ops::RangeInclusive<i64>,
) -> Option<T> {
    let Kind::Integer(number) = item.value.kind else {
        wrong_type(context, item, "a whole number");
        return None;
    };
    let fits = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
    if fits.is_none() {
        let message = format!("`{}` must be between {} and {}", item.key, range.start(), range.end());
        let help = format!("a whole number, such as {}", (*range.start()).max(1));
        context.report(Problem::new(code::BAD_NUMBER, item.value.span, message).help(help));
    }
    fits
}

/// A count from 0 to four thousand million.
pub(super) fn count(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u32> {
    integer(context, item, 0..=i64::from(u32::MAX))
}

/// A count from 1 to four thousand million.
pub(super) fn positive(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u32> {
    integer(context, item, 1..=i64::from(u32::MAX))
}

/// A day.
pub(super) fn date(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<jiff::civil::Date> {
    if let Kind::Date(toml::value::Datetime { date: Some(date), time: None, offset: None }) = &item.value.kind
    {
        let parts = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
        if let (Ok(year), Ok(month), Ok(day)) = parts {
            return jiff::civil::Date::new(year, month, day).ok();
        }
    }
    let message = format!("`{}` must be a day, not {}", item.key, item.value.type_name());
    let problem = Problem::new(code::WRONG_TYPE, item.value.span, message);
    context.report(problem.help("write it without quotes or time: 2027-03-31"));
    None
}

/// One of a few words.
pub(super) fn word<T>(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    words: &[&'static str],
    from_word: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    word_coded(context, item, code::UNKNOWN_WORD, words, from_word)
}

/// One of a few words, with a code of its own.
pub(super) fn word_coded<T>(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    code: Code,
    words: &[&'static str],
    from_word: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let Kind::Text(text) = &item.value.kind else {
        wrong_type(context, item, &suggest::list(words));
        return None;
    };
    let found = from_word(&text.value);
    if found.is_none() {
        let what = if code == code::UNKNOWN_PHASE { "phase" } else { "value" };
        let message = format!("unknown {what} `{}` of `{}`", text.written(), item.key);
        let help = suggest::help(text.written(), words);
        context.report(Problem::new(code, item.value.span, message).maybe_help(help));
    }
    found
}

/// A duration.
pub(super) fn duration(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Duration> {
    const FORM: &str = "a whole number and ms, s, m, h or d, such as 250ms, 5s or 7d";
    quantity(
        context,
        item,
        &Quantity { code: code::BAD_DURATION, what: "a duration", form: FORM, unit: in_seconds },
        units::duration,
    )
}

/// A duration above zero.
pub(super) fn some_duration(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Duration> {
    let duration = duration(context, item)?;
    if duration.is_zero() {
        refuse(context, item, code::BAD_DURATION, "it must be above zero", "such as 5s");
        return None;
    }
    Some(duration)
}

/// A number of bytes.
pub(super) fn size(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u64> {
    const FORM: &str = "a whole number and B, KB, MB, GB, KiB, MiB or GiB, such as 64KiB";
    quantity(
        context,
        item,
        &Quantity { code: code::BAD_SIZE, what: "a size", form: FORM, unit: in_bytes },
        units::size,
    )
}

/// A share.
pub(super) fn share(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Share> {
    const FORM: &str = "0% to 100%, such as 12.5%";
    quantity(
        context,
        item,
        &Quantity { code: code::BAD_SHARE, what: "a share", form: FORM, unit: in_percent },
        units::share,
    )
}

/// A share that may exceed 100 %, in hundredths of a percent.
pub(super) fn percentage(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u32> {
    const FORM: &str = "a number and %, such as 20%";
    let quantity_of = |text: &str| units::basis_points(text, "%");
    quantity(
        context,
        item,
        &Quantity { code: code::BAD_SHARE, what: "a percentage", form: FORM, unit: in_percent },
        quantity_of,
    )
}

/// Percentage points, in hundredths.
pub(super) fn points(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<u32> {
    const FORM: &str = "percentage points, such as 0.5pp";
    let quantity_of = |text: &str| units::basis_points(text, "pp");
    quantity(
        context,
        item,
        &Quantity { code: code::BAD_SHARE, what: "percentage points", form: FORM, unit: in_points },
        quantity_of,
    )
}

/// What a quantity looks like.
pub(super) struct Quantity {
    /// The code of a text that is none.
    pub(super) code: Code,
    /// What it is.
    pub(super) what: &'static str,
    /// Its form, for people.
    pub(super) form: &'static str,
    /// What a bare number most likely means.
    pub(super) unit: fn(&str) -> String,
}

fn in_seconds(number: &str) -> String {
    format!("write \"{number}s\" if that means seconds")
}

fn in_bytes(number: &str) -> String {
    match number.replace('_', "").parse::<u64>() {
        Ok(bytes) if bytes > 0 && bytes % (1 << 20) == 0 => format!("write \"{}MiB\"", bytes >> 20),
        Ok(bytes) if bytes > 0 && bytes % (1 << 10) == 0 => format!("write \"{}KiB\"", bytes >> 10),
        _ => format!("write \"{number}B\" if that means bytes"),
    }
}

fn in_percent(number: &str) -> String {
    format!("write \"{number}%\" if that means percent")
}

fn in_points(number: &str) -> String {
    format!("write \"{number}pp\" if that means percentage points")
}

/// A text with a unit.
pub(super) fn quantity<T>(
    context: &Context<'_, '_>,
    item: Item<'_, '_>,
    Quantity { code, what, form, unit }: &Quantity,
    parse: impl Fn(&str) -> Result<T, UnitError>,
) -> Option<T> {
    let bare = |number: &str| {
        let message = format!("`{}` needs a unit", item.key);
        let help = format!("{}: {form}", unit(number));
        context.report(Problem::new(code::MISSING_UNIT, item.value.span, message).help(help));
    };
    let text = match &item.value.kind {
        Kind::Text(text) => text,
        Kind::Integer(_) | Kind::Float(_) => {
            bare(context.files.slice(item.value.span));
            return None;
        }
        _ => {
            wrong_type(context, item, form);
            return None;
        }
    };
    let error = match parse(&text.value) {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    match error {
        UnitError::NoUnit => bare(text.written()),
        UnitError::Form => refuse(context, item, *code, &format!("this is not {what}"), form),
        UnitError::TooLarge => refuse(context, item, *code, "this is too large", form),
        UnitError::TooFine => refuse(context, item, *code, "this is finer than 0.01 %", form),
    }
    None
}

/// A list, each entry read on its own; wrong entries are left out.
pub(super) fn list<'v, 't, T>(
    context: &Context<'_, '_>,
    item: Item<'v, 't>,
    mut read: impl FnMut(&Context<'_, '_>, Item<'v, 't>) -> Option<T>,
) -> Option<Vec<T>> {
    let Kind::List(values) = &item.value.kind else {
        wrong_type(context, item, "a list");
        return None;
    };
    Some(values.iter().filter_map(|value| read(context, Item { key: item.key, value })).collect())
}

/// A list, or one entry without brackets.
pub(super) fn one_or_list<'v, 't, T>(
    context: &Context<'_, '_>,
    item: Item<'v, 't>,
    mut read: impl FnMut(&Context<'_, '_>, Item<'v, 't>) -> Option<T>,
) -> Option<Vec<T>> {
    if let Kind::Text(_) = item.value.kind {
        return Some(read(context, item).into_iter().collect());
    }
    if !matches!(item.value.kind, Kind::List(_)) {
        wrong_type(context, item, "a string or a list of strings");
        return None;
    }
    list(context, item, read)
}

/// A table.
pub(super) fn table<'v, 't>(context: &Context<'_, '_>, item: Item<'v, 't>) -> Option<&'v Table<'t>> {
    let table = item.value.as_table();
    if table.is_none() {
        wrong_type(context, item, "a table");
    }
    table
}
