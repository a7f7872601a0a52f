//! Replies as trees: how they are written, and what is to be read of them.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::Element;

/// An [`Element`] that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    Bytes(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    BigNumber(Vec<u8>),
    Null,
    Array(usize),
}

impl From<Element<'_>> for Seen {
    fn from(element: Element<'_>) -> Self {
        match element {
            Element::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Element::Error(text) => Self::Error(text.to_vec()),
            Element::Integer(value) => Self::Integer(value),
            Element::BigNumber(digits) => Self::BigNumber(digits.to_vec()),
            Element::Null => Self::Null,
            Element::Array(n) => Self::Array(n),
        }
    }
}

/// A reply of any kind.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    /// A line: its type, and what stands on it.
    Line(u8, String),
    Integer(i64),
    Bool(bool),
    /// `_`, `$-1` or `*-1`.
    Null(&'static str),
    /// A string with a length: its type, and its bytes.
    Bulk(u8, Vec<u8>),
    /// An array, set or push.
    Items(u8, Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Attribute(Vec<(Tree, Tree)>, Box<Tree>),
}

impl Tree {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let line = |out: &mut Vec<u8>, kind: u8, text: &str| {
            out.push(kind);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        match self {
            Self::Line(kind, text) => line(out, *kind, text),
            Self::Integer(value) => line(out, b':', &value.to_string()),
            Self::Bool(value) => line(out, b'#', if *value { "t" } else { "f" }),
            Self::Null(text) => {
                out.extend_from_slice(text.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Self::Bulk(kind, data) => {
                line(out, *kind, &data.len().to_string());
                out.extend_from_slice(data);
                out.extend_from_slice(b"\r\n");
            }
            Self::Items(kind, items) => {
                line(out, *kind, &items.len().to_string());
                for item in items {
                    item.encode(out);
                }
            }
            Self::Map(pairs) => {
                line(out, b'%', &pairs.len().to_string());
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
            }
            Self::Attribute(pairs, of) => {
                line(out, b'|', &pairs.len().to_string());
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
                of.encode(out);
            }
        }
    }

    pub(super) fn see(&self, seen: &mut Vec<Seen>) {
        match self {
            Self::Line(b'-', text) => seen.push(Seen::Error(text.clone().into_bytes())),
            Self::Line(b'(', text) => seen.push(Seen::BigNumber(text.clone().into_bytes())),
            Self::Line(_, text) => seen.push(Seen::Bytes(text.clone().into_bytes())),
            Self::Integer(value) => seen.push(Seen::Integer(*value)),
            Self::Bool(value) => seen.push(Seen::Integer(i64::from(*value))),
            Self::Null(_) => seen.push(Seen::Null),
            Self::Bulk(b'!', data) => seen.push(Seen::Error(data.clone())),
            Self::Bulk(b'=', data) => seen.push(Seen::Bytes(data[4..].to_vec())),
            Self::Bulk(_, data) => seen.push(Seen::Bytes(data.clone())),
            Self::Items(_, items) => {
                seen.push(Seen::Array(items.len()));
                for item in items {
                    item.see(seen);
                }
            }
            Self::Map(pairs) => {
                seen.push(Seen::Array(2 * pairs.len()));
                for (key, value) in pairs {
                    key.see(seen);
                    value.see(seen);
                }
            }
            Self::Attribute(_, of) => of.see(seen),
        }
    }

    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.see(&mut seen);
        seen
    }

    /// Any tree but a push at its top: that is no reply.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        leaf().prop_recursive(6, 48, 6, |inner| {
            let pairs = vec((inner.clone(), inner.clone()), 0..3);
            prop_oneof![
                (prop_oneof![Just(b'*'), Just(b'~')], vec(inner.clone(), 0..6))
                    .prop_map(|(kind, items)| Self::Items(kind, items)),
                pairs.clone().prop_map(Self::Map),
                (pairs, inner).prop_map(|(pairs, of)| Self::Attribute(pairs, Box::new(of))),
            ]
        })
    }

    pub(super) fn any_push() -> impl Strategy<Value = Self> {
        vec(Self::any(), 0..4).prop_map(|items| Self::Items(b'>', items))
    }
}

fn leaf() -> impl Strategy<Value = Tree> {
    // Line feeds, type bytes and terminators inside of strings are what a parser could stumble over.
    let data = || prop_oneof![vec(any::<u8>(), 0..40), Just(b"\r\n$5\r\n*2\r\n".to_vec()), Just(vec![b'\n'; 9])];
    prop_oneof![
        (prop_oneof![Just(b'+'), Just(b'-')], "[ -~]{0,30}").prop_map(|(kind, text)| Tree::Line(kind, text)),
        any::<f64>().prop_map(|value| Tree::Line(b',', value.to_string())),
        "[-+]?[0-9]{1,60}".prop_map(|digits| Tree::Line(b'(', digits)),
        any::<i64>().prop_map(Tree::Integer),
        any::<bool>().prop_map(Tree::Bool),
        prop_oneof![Just("_"), Just("$-1"), Just("*-1")].prop_map(Tree::Null),
        (prop_oneof![Just(b'$'), Just(b'!')], data()).prop_map(|(kind, data)| Tree::Bulk(kind, data)),
        data().prop_map(|data| Tree::Bulk(b'=', [b"txt:".as_slice(), &data].concat())),
    ]
}
