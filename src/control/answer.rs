//! Replies that the control plane itself reads.

use crate::wire::{Element, Elements};

/// A reply as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Null,
    Integer(i64),
    Text(String),
    Error(String),
    List(Vec<Self>),
}

impl Answer {
    /// The answer that a complete frame holds.
    pub(crate) fn of(frame: &[u8]) -> Self {
        let mut open: Vec<(Vec<Self>, usize)> = Vec::new();
        for element in Elements::of(frame) {
            let mut value = match element {
                Element::Bytes(bytes) | Element::BigNumber(bytes) => Self::Text(text(bytes)),
                Element::Integer(value) => Self::Integer(value),
                Element::Null => Self::Null,
                Element::Error(bytes) => Self::Error(text(bytes)),
                Element::Array(0) => Self::List(Vec::new()),
                Element::Array(n) => {
                    open.push((Vec::with_capacity(n.min(1024)), n));
                    continue;
                }
            };
            loop {
                let Some((items, wanted)) = open.last_mut() else { return value };
                items.push(value);
                if items.len() < *wanted {
                    break;
                }
                let Some((items, _)) = open.pop() else { break };
                value = Self::List(items);
            }
        }
        Self::Null
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also one that came as text.
    pub(crate) fn number<T: TryFrom<i64>>(&self) -> Option<T> {
        let number = match self {
            Self::Integer(number) => *number,
            Self::Text(text) => text.parse().ok()?,
            _ => return None,
        };
        T::try_from(number).ok()
    }

    /// The value of a name in a list of names and values.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let (pairs, _) = self.list()?.as_chunks::<2>();
        pairs.iter().find(|[key, _]| key.text() == Some(name)).map(|[_, value]| value)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_becomes_a_tree() {
        let answer = Answer::of(b"*3\r\n$4\r\nport\r\n$4\r\n6379\r\n*2\r\n:1\r\n$-1\r\n");
        let list = answer.list().unwrap_or_default();
        assert_eq!(list.len(), 3);
        assert_eq!(list[1].number::<u16>(), Some(6379));
        assert_eq!(list[2], Answer::List(vec![Answer::Integer(1), Answer::Null]));
        assert_eq!(answer.field("port"), Some(&Answer::Text("6379".to_owned())));
        assert_eq!(Answer::of(b"-ERR no\r\n"), Answer::Error("ERR no".to_owned()));
        assert_eq!(Answer::of(b"*0\r\n"), Answer::List(Vec::new()));
    }
}
