//! Thrift's binary input protocol with a limit on the elements of all lists together: a reply of empty texts takes many times its
//! bytes in memory, which the limit of a single list does not catch.

use thrift::protocol::{
    TBinaryInputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier, TMessageIdentifier,
    TSetIdentifier, TStructIdentifier, TType,
};
use thrift::transport::TReadTransport;
use thrift::{ProtocolError, ProtocolErrorKind, Result};

/// The most bytes that the elements of one reply take in memory, without the bytes of their texts: half a million values, where a
/// page of rows has a few thousand.
const MOST_BYTES: usize = 16 << 20;

/// Reads from `inner` until the limit is reached.
pub(super) struct LimitedProtocol<T: TReadTransport> {
    inner: TBinaryInputProtocol<T>,
    bytes: usize,
}

impl<T: TReadTransport> LimitedProtocol<T> {
    pub(super) fn new(inner: TBinaryInputProtocol<T>) -> Self {
        Self { inner, bytes: 0 }
    }

    fn count(&mut self, size: i32, kinds: &[Option<TType>]) -> Result<()> {
        let one: usize = kinds.iter().flatten().map(|kind| held(*kind)).sum();
        self.bytes = self.bytes.saturating_add(one.saturating_mul(usize::try_from(size).unwrap_or_default()));
        if self.bytes <= MOST_BYTES {
            return Ok(());
        }
        let message = "it has more elements than any expected reply".to_owned();
        Err(thrift::Error::Protocol(ProtocolError::new(ProtocolErrorKind::SizeLimit, message)))
    }
}

/// About how many bytes an element takes in memory.
fn held(kind: TType) -> usize {
    match kind {
        TType::Struct => 512,
        // Numbers become texts.
        _ => 32,
    }
}

macro_rules! as_inner {
    ($($name:ident -> $kind:ty;)*) => {$(
        fn $name(&mut self) -> Result<$kind> {
            self.inner.$name()
        }
    )*};
}

impl<T: TReadTransport> TInputProtocol for LimitedProtocol<T> {
    as_inner! {
        read_message_begin -> TMessageIdentifier;
        read_message_end -> ();
        read_struct_begin -> Option<TStructIdentifier>;
        read_struct_end -> ();
        read_field_begin -> TFieldIdentifier;
        read_field_end -> ();
        read_bool -> bool;
        read_bytes -> Vec<u8>;
        read_i8 -> i8;
        read_i16 -> i16;
        read_i32 -> i32;
        read_i64 -> i64;
        read_double -> f64;
        read_uuid -> uuid::Uuid;
        read_string -> String;
        read_list_end -> ();
        read_set_end -> ();
        read_map_end -> ();
        read_byte -> u8;
        skip_binary -> ();
    }

    fn read_list_begin(&mut self) -> Result<TListIdentifier> {
        let list = self.inner.read_list_begin()?;
        self.count(list.size, &[Some(list.element_type)])?;
        Ok(list)
    }

    fn read_set_begin(&mut self) -> Result<TSetIdentifier> {
        let set = self.inner.read_set_begin()?;
        self.count(set.size, &[Some(set.element_type)])?;
        Ok(set)
    }

    fn read_map_begin(&mut self) -> Result<TMapIdentifier> {
        let map = self.inner.read_map_begin()?;
        self.count(map.size, &[map.key_type, map.value_type])?;
        Ok(map)
    }

    fn min_serialized_size(&self, kind: TType) -> usize {
        self.inner.min_serialized_size(kind)
    }
}
