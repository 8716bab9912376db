//! Random configurations and requests out of few words, so that they often meet.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::matching::path::PathRules;
use crate::matching::{Condition, Predicates};
use crate::routing::RequestView;
use crate::routing::fixture::{RouteFixture, SliceFixture, canary, slice};
use crate::snapshot::slice::KeySource;
use crate::words::{Effect, Phase, Writer};

/// Seeded random choices.
pub(super) struct Rng(fastrand::Rng);

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng(fastrand::Rng::with_seed(seed))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.usize(..from.len())]
    }

    /// True once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.0.usize(..times) == 0
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }
}

const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
const HOSTS: [&str; 7] = ["", "", "", "", "a.example", "*.example", "*.a.example"];
const METHODS: [&str; 8] = ["", "", "GET ", "POST ", "HEAD ", "GET,POST ", "GET,HEAD ", "OPTIONS "];
const ELEMENTS: [&str; 12] = ["a", "a", "b", "B", "7", "", "%61", "é", "a;v", "{p:int}", "{p}", "{p:uuid}"];
static ONE_OR_TWO: LazyLock<regex::Regex> = LazyLock::new(|| regex::Regex::new("^[12]$").unwrap());
const UUID: &str = "123e4567-e89b-12d3-A456-426614174000";

pub(super) fn slices(rng: &mut Rng) -> Vec<SliceFixture> {
    let count = rng.0.usize(1..=3);
    NAMES.iter().take(count).map(|name| one_slice(rng, name)).collect()
}

fn one_slice(rng: &mut Rng, name: &'static str) -> SliceFixture {
    let phase = rng.pick(Phase::ALL);
    let writer = rng.pick(Writer::ALL);
    let mut fixture = slice(name, phase, writer, &[]);
    fixture.writer_stated = rng.once_in(2);
    fixture.rules = PathRules {
        trailing_slash_same: rng.once_in(4),
        case_insensitive: rng.once_in(4),
        matrix_ignored: rng.once_in(4),
    };
    fixture.canary = Some(canary(rng.0.u16(..=10_000)));
    fixture.policy.cohort_by = vec![KeySource::Header("x-a".into()), KeySource::Path("p0".into())];
    for _ in 0..rng.0.usize(1..=5) {
        let route = one_route(rng);
        fixture.routes.push(route);
    }
    if rng.once_in(3) {
        fixture.except.push(pattern(rng));
    }
    fixture
}

fn one_route(rng: &mut Rng) -> RouteFixture {
    RouteFixture {
        text: pattern(rng),
        when: if rng.once_in(3) { conditions(rng) } else { Predicates::default() },
        listed: !rng.once_in(3),
        effect: match rng.0.usize(..6) {
            0 => Some(Effect::Read),
            1 => Some(Effect::Write),
            _ => None,
        },
        priority: i64::from(rng.once_in(5)),
    }
}

fn pattern(rng: &mut Rng) -> String {
    let mut text = format!("{}{}", rng.pick(&METHODS), rng.pick(&HOSTS));
    let elements = rng.0.usize(..=3);
    for at in 0..elements {
        text.push('/');
        text.push_str(&rng.pick(&ELEMENTS).replace('p', &format!("p{at}")));
    }
    match (rng.0.usize(..4), elements) {
        (0, _) => text.push_str("/**"),
        (1, _) | (_, 0) => text.push('/'),
        _ => {}
    }
    text
}

fn conditions(rng: &mut Rng) -> Predicates {
    let mut when = Predicates::default();
    for name in ["x-a", "x-b"] {
        if rng.once_in(2) {
            when.headers.push((HeaderName::from_static(name), condition(rng)));
        }
    }
    if rng.once_in(3) {
        when.cookies.push(("c".to_owned(), condition(rng)));
    }
    if rng.once_in(3) {
        when.query.push(("q".to_owned(), condition(rng)));
    }
    if rng.once_in(5) {
        when.accept = Some("application/json".to_owned());
    }
    when
}

fn condition(rng: &mut Rng) -> Condition {
    match rng.0.usize(..6) {
        0 => Condition::Present,
        1 => Condition::Absent,
        2 => Condition::In(vec!["1".into(), "2".into()]),
        3 => Condition::Regex(ONE_OR_TWO.clone()),
        _ => Condition::Equals(rng.pick(&["1", "2"]).to_owned()),
    }
}

/// The slices after one small edit.
pub(super) fn edited(rng: &mut Rng, slices: &[SliceFixture]) -> Vec<SliceFixture> {
    let mut slices = slices.to_vec();
    let at = rng.0.usize(..slices.len());
    let slice = &mut slices[at];
    let route = rng.0.usize(..slice.routes.len());
    match rng.0.usize(..8) {
        0 => drop(slice.routes.remove(route)),
        1 => slice.routes[route] = one_route(rng),
        2 => slice.routes.push(one_route(rng)),
        3 => slice.except.push(pattern(rng)),
        4 => slice.routes[route].effect = Some(Effect::Read),
        5 => {
            slice.rules = PathRules {
                trailing_slash_same: rng.once_in(2),
                case_insensitive: rng.once_in(2),
                matrix_ignored: rng.once_in(2),
            };
        }
        6 => slice.writer = Writer::Legacy,
        _ => drop(slices.remove(at)),
    }
    slices
}

pub(super) fn retreat(rng: &mut Rng) -> Option<Phase> {
    rng.once_in(3).then(|| rng.pick(Phase::ALL))
}

/// A request that nobody has sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Request {
    pub(super) fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            client_ip: None,
        }
    }

    /// Reads an example of a conflict.
    pub(super) fn parse(example: &str) -> Request {
        let mut parts = example.split(" -H '");
        let (method, target) = parts.next().unwrap().split_once(' ').unwrap();
        let (host, target) = target.split_at(target.find('/').unwrap());
        let (path, query) = crate::matching::path::split_target(target);
        let mut headers = HeaderMap::new();
        for line in parts {
            let (name, value) = line.strip_suffix('\'').unwrap().split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Request {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
        }
    }
}

/// A request, usually one spelling away from some route.
pub(super) fn request(rng: &mut Rng, slices: &[SliceFixture]) -> Request {
    let mut headers = HeaderMap::new();
    for name in ["x-a", "x-b"] {
        if rng.once_in(2) {
            headers.append(name, HeaderValue::from_static(rng.pick(&["1", "2", "3"])));
        }
    }
    if rng.once_in(3) {
        headers.append("cookie", HeaderValue::from_static("b=1; c=2"));
    }
    if rng.once_in(3) {
        headers.append("accept", HeaderValue::from_static(rng.pick(&["application/json", "*/*"])));
    }
    if rng.once_in(3) {
        headers.append("origin", HeaderValue::from_static("http://a.example"));
        let asked = rng.pick(&["GET", "POST", "HEAD"]);
        headers.append("access-control-request-method", HeaderValue::from_static(asked));
    }
    Request {
        method: rng.pick(&["GET", "GET", "HEAD", "POST", "OPTIONS", "DELETE"]).to_owned(),
        host: (rng.pick(&["", "a.example", "A.Example:80", "b.a.example.", "c.b.a.example", "x"])).to_owned(),
        path: path(rng, slices),
        query: rng.once_in(3).then(|| rng.pick(&["q=1", "q=%32&q=1", "r"]).to_owned()),
        headers,
    }
}

fn path(rng: &mut Rng, slices: &[SliceFixture]) -> String {
    let slice = &slices[rng.0.usize(..slices.len())];
    let text = slice.routes[rng.0.usize(..slice.routes.len())].text.clone();
    let written = text.get(text.find('/').unwrap()..).unwrap();
    let mut path = String::new();
    for element in written.split('/').skip(1) {
        path.push('/');
        let other = rng.pick(&["a", "b", "x", "7", "", "%41", "A", "a;w", "%c3%a9", "a%2Fb"]);
        let sent = match element {
            "**" | "" if rng.once_in(2) => other,
            "**" => "",
            _ if element.starts_with('{') => rng.pick(&["7", "a", "42;v", UUID, "%37"]),
            _ if rng.once_in(6) => other,
            _ => element,
        };
        path.push_str(sent);
    }
    if rng.once_in(6) {
        path.push('/');
    }
    path
}
