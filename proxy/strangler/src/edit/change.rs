//! Changes of a slice's tables, in whichever way they are written: headers, dotted keys or inline tables.

use jiff::civil::Date;
use strangler_core::promotion::{self, Station};
use strangler_core::snapshot::Snapshot;
use strangler_core::snapshot::compare::Accepted;
use toml_edit::{Array, ArrayOfTables, Datetime, InlineTable, Item, Table, TableLike, Value};

/// A change of one slice.
#[derive(Clone, Debug)]
pub enum Change {
    /// A known difference is accepted for a time; one of the same signature gets the new reason and day.
    Accept(Acceptance),
    /// The slice stands elsewhere on its way: another phase, another share of its canary.
    Stand(Station),
    /// A key of the slice's table gets a value.
    Set {
        /// From the slice's table down, such as `["canary", "share"]`.
        keys: Vec<String>,
        /// The value.
        value: Value,
    },
}

/// An entry of `accept`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Which differences, in lower-case hexadecimal.
    pub signature: String,
    /// For whoever reads it later.
    pub why: String,
    /// The last day on which it hides anything, in UTC.
    pub until: Date,
}

/// How a table is written, which is how a table inside it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `[a.b]`
    Header,
    /// `a.b = 1`
    Dotted,
    /// `a = { b = 1 }`
    Inline,
}

impl Change {
    /// Changes a document; what stands in the way otherwise.
    pub(super) fn apply(&self, root: &mut Item, slice: &str) -> Result<(), String> {
        let slice = descend(descend(root, "slices")?, slice)?;
        match self {
            Change::Accept(acceptance) => acceptance.apply(descend(slice, "compare")?),
            Change::Stand(station) => stand(slice, *station),
            Change::Set { keys, value } => {
                let (last, parents) = keys.split_last().ok_or("no key was named")?;
                let table = parents.iter().try_fold(slice, |table, key| descend(table, key))?;
                set(table_of(table, last)?, last, value.clone());
                Ok(())
            }
        }
    }

    /// Whether a configuration says it.
    pub(super) fn holds_in(&self, snapshot: &Snapshot, slice: &str) -> bool {
        let Some(slice) = snapshot.slices.iter().find(|known| *known.name == *slice) else { return false };
        let acceptance = match self {
            Change::Accept(acceptance) => acceptance,
            Change::Stand(station) => return promotion::station(slice) == *station,
            Change::Set { .. } => return true,
        };
        slice.policy.compare.accept.iter().any(|accept| {
            accept.what == Accepted::Signature(acceptance.signature.clone())
                && accept.why == acceptance.why
                && accept.until == acceptance.until
        })
    }
}

/// Writes where a slice stands. A canary keeps its form: `"10%"` stays short, in a table only `share` changes.
fn stand(slice: &mut Item, station: Station) -> Result<(), String> {
    let style = style(slice);
    let table = table_of(slice, "phase")?;
    let Station { phase, share } = station;
    replace(table, "phase", phase.as_str())?;
    let Some(share) = share.map(|share| share.to_string()) else { return Ok(()) };
    match table.get_mut("canary") {
        None => insert(table, "canary", Item::Value(Value::from(share)), style),
        Some(canary) if canary.is_table_like() => replace(table_of(canary, "share")?, "share", &share)?,
        Some(_) => replace(table, "canary", &share)?,
    }
    Ok(())
}

/// Writes a text where none or another one stands; not over one that comes from the environment, which would say
/// nothing there any more.
fn replace(table: &mut dyn TableLike, key: &str, value: &str) -> Result<(), String> {
    let old = table.get(key).and_then(Item::as_str);
    if let Some(old) = old.filter(|old| old.contains("${")) {
        return Err(format!("`{key} = \"{old}\"` comes from the environment: change it there"));
    }
    if old != Some(value) {
        set(table, key, Value::from(value));
    }
    Ok(())
}

impl Acceptance {
    fn apply(&self, compare: &mut Item) -> Result<(), String> {
        let style = style(compare);
        let table = table_of(compare, "accept")?;
        match table.get_mut("accept") {
            None if style == Style::Header => {
                let mut entries = ArrayOfTables::new();
                entries.push(self.table());
                insert(table, "accept", Item::ArrayOfTables(entries), style);
            }
            None => {
                let mut entries = Array::new();
                entries.push(self.inline());
                insert(table, "accept", Item::Value(Value::Array(entries)), style);
            }
            Some(Item::ArrayOfTables(entries)) => {
                let known = entries.iter().position(|entry| self.is(entry));
                match known.and_then(|index| entries.get_mut(index)) {
                    Some(entry) => self.renew(entry),
                    None => {
                        let mut new = self.table();
                        if let Some(last) = entries.iter().last() {
                            resemble(&mut new, last);
                        }
                        entries.push(new);
                    }
                }
            }
            Some(Item::Value(Value::Array(entries))) => {
                let is_own = |entry: &Value| entry.as_inline_table().is_some_and(|entry| self.is(entry));
                let known = entries.iter().position(is_own);
                let known = known.and_then(|index| entries.get_mut(index));
                match known.and_then(Value::as_inline_table_mut) {
                    Some(entry) => self.renew(entry),
                    None => append(entries, self.inline()),
                }
            }
            Some(_) => return Err("`accept` is not a list".to_owned()),
        }
        Ok(())
    }

    fn is(&self, entry: &dyn TableLike) -> bool {
        let signature = entry.get("signature").and_then(Item::as_str);
        signature.is_some_and(|signature| signature.eq_ignore_ascii_case(&self.signature))
    }

    fn renew(&self, entry: &mut dyn TableLike) {
        set(entry, "why", text(&self.why));
        set(entry, "until", day(self.until));
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.insert("signature", Item::Value(text(&self.signature)));
        table.insert("why", Item::Value(text(&self.why)));
        table.insert("until", Item::Value(day(self.until)));
        table
    }

    fn inline(&self) -> Value {
        let mut table = InlineTable::new();
        table.insert("signature", text(&self.signature));
        table.insert("why", text(&self.why));
        table.insert("until", day(self.until));
        Value::InlineTable(table)
    }
}

/// A text on one line, in which nothing is taken for a variable.
fn text(text: &str) -> Value {
    let literal = text.replace("${", "$${");
    let mut quoted = String::from("\"");
    for c in literal.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted.parse().unwrap_or_else(|_| Value::from(literal))
}

fn day(date: Date) -> Value {
    let date: Result<Datetime, _> = date.to_string().parse();
    date.map_or_else(|_| Value::from(""), Value::from)
}

/// The table under a key, made where it is missing in the way that its surroundings are written.
fn descend<'a>(parent: &'a mut Item, key: &str) -> Result<&'a mut Item, String> {
    let style = style(parent);
    let table = table_of(parent, key)?;
    if table.get(key).is_none() {
        let mut new = Table::new();
        let new = match style {
            Style::Header => {
                new.set_implicit(true);
                Item::Table(new)
            }
            Style::Dotted => {
                new.set_dotted(true);
                Item::Table(new)
            }
            Style::Inline => Item::Value(Value::InlineTable(InlineTable::new())),
        };
        insert(table, key, new, style);
    }
    table.get_mut(key).ok_or_else(|| format!("`{key}` cannot be added"))
}

fn table_of<'a>(item: &'a mut Item, key: &str) -> Result<&'a mut dyn TableLike, String> {
    item.as_table_like_mut().ok_or_else(|| format!("what holds `{key}` is not a table"))
}

fn style(item: &Item) -> Style {
    match item {
        Item::Table(table) if !table.is_dotted() => Style::Header,
        Item::Table(_) => Style::Dotted,
        _ => Style::Inline,
    }
}

/// Adds a key that is not there.
fn insert(table: &mut dyn TableLike, key: &str, item: Item, style: Style) {
    if style == Style::Inline
        && let Some((_, Item::Value(last))) = table.iter_mut().last()
    {
        // The blank before the brace is not one before a comma.
        let suffix = last.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default();
        if suffix.trim().is_empty() && !suffix.contains('\n') {
            last.decor_mut().set_suffix("");
        }
    }
    drop(table.insert(key, item));
}

/// Sets a value; what stood around the old one stays.
fn set(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(other) => *other = Item::Value(value),
        None => drop(table.insert(key, Item::Value(value))),
    }
}

/// Lets a table begin as another does: blank lines and indentation, but not its comments.
fn resemble(new: &mut Table, last: &Table) {
    let prefix = last.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or("\n");
    let blank =
        prefix.split_inclusive('\n').take_while(|line| line.trim().is_empty() && line.ends_with('\n'));
    let prefix = format!("{}{}", blank.collect::<String>(), indentation(prefix));
    new.decor_mut().set_prefix(prefix);
    let leaf = last.iter().next().and_then(|(key, _)| last.key(key)).map(|key| key.leaf_decor().clone());
    let indent = leaf.and_then(|decor| decor.prefix().and_then(|prefix| prefix.as_str()).map(indentation));
    for (mut key, _) in new.iter_mut() {
        key.leaf_decor_mut().set_prefix(indent.clone().unwrap_or_default());
    }
}

/// Appends to an array as its other elements stand: on the same line, or each on its own.
fn append(array: &mut Array, mut value: Value) {
    let trailing = array.trailing().as_str().unwrap_or_default().to_owned();
    let is_ended = array.trailing_comma();
    let mut indent = None;
    let mut gap = trailing;
    if let Some(last) = array.iter_mut().last() {
        let decor = last.decor_mut();
        let prefix = decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        indent = prefix.contains('\n').then(|| indentation(prefix));
        if !is_ended {
            // What follows the last element follows its comma now.
            gap = format!("{}{gap}", decor.suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default());
            decor.set_suffix("");
        }
    }
    let (prefix, trailing) = match gap.rsplit_once('\n') {
        None => (if array.is_empty() { "" } else { " " }.to_owned(), gap),
        Some((before, closing)) => {
            let indent = indent.unwrap_or_else(|| format!("{closing}    "));
            (format!("{before}\n{indent}"), format!("\n{closing}"))
        }
    };
    *value.decor_mut() = toml_edit::Decor::new(prefix, "");
    array.push_formatted(value);
    array.set_trailing(trailing);
}

/// What stands before the first character of the last line.
fn indentation(prefix: &str) -> String {
    let line = prefix.rsplit('\n').next().unwrap_or_default();
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}
