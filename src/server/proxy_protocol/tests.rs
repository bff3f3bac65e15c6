use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;

const V4: u8 = 0x11;
const V6: u8 = 0x21;
/// 203.0.113.9:47011 to 192.0.2.1:443.
const V4_ADDRESSES: [u8; 12] = [203, 0, 113, 9, 192, 0, 2, 1, 0xb7, 0xa3, 1, 187];

fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, block].concat()
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

/// With these fields after the addresses.
fn with_fields(fields: &[Vec<u8>]) -> Vec<u8> {
    header(PROXY, V4, &[&V4_ADDRESSES[..], &fields.concat()].concat())
}

/// A header with a field of its checksum, which stands before one of padding.
fn with_checksum(told: impl Fn(u32) -> u32) -> Vec<u8> {
    let zero = with_fields(&[field(TYPE_CRC32C, &[0; 4]), field(4, &[0; 5])]);
    let right = CRC32C.checksum(&zero);
    with_fields(&[
        field(TYPE_CRC32C, &told(right).to_be_bytes()),
        field(4, &[0; 5]),
    ])
}

/// What is read of these bytes, which come in chunks of this size, and what is left after it.
async fn read_in_chunks(
    bytes: &[u8],
    chunk: usize,
) -> (Result<Option<Header>, HeaderError>, Vec<u8>) {
    let (mut proxy, mut server) = tokio::io::duplex(chunk);
    let send = async {
        // The reader may have seen enough.
        let _ = proxy.write_all(bytes).await;
        drop(proxy);
    };
    let read = async {
        let header = read(&mut server).await;
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await.unwrap();
        (header, rest)
    };
    tokio::join!(send, read).1
}

async fn outcome(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    read_in_chunks(bytes, 1024).await.0
}

async fn refusal(bytes: &[u8]) -> String {
    match outcome(bytes).await {
        Ok(header) => panic!("{bytes:?} is read as {header:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_client_is_who_the_header_says_however_it_is_cut() {
    let mut v6 = [0; 36];
    v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
    v6[32..34].copy_from_slice(&4711_u16.to_be_bytes());
    for (family, addresses, client) in [
        (V4, &V4_ADDRESSES[..], "203.0.113.9:47011"),
        (0x12, &V4_ADDRESSES[..], "203.0.113.9:47011"),
        (V6, &v6[..], "[2001:db8::7]:4711"),
        (0x22, &v6[..], "[2001:db8::7]:4711"),
    ] {
        let sent = [&header(PROXY, family, addresses)[..], b"GET / HTTP/1.1\r\n"].concat();
        for chunk in [1, 3, 16, 1024] {
            let (header, rest) = read_in_chunks(&sent, chunk).await;
            let expected = Header {
                client: Some(client.parse().unwrap()),
                tls: false,
            };
            assert_eq!(header.unwrap(), Some(expected));
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }
}

#[tokio::test]
async fn a_header_without_a_client_names_none() {
    for bytes in [
        header(LOCAL, 0, b""),
        // "Discard the protocol block including the family, which is ignored."
        header(LOCAL, 0xff, b"whatever"),
        header(LOCAL, V4, &V4_ADDRESSES),
        header(PROXY, 0, b""),
        header(PROXY, 0x31, &[b'/'; UNIX_ADDRESSES]),
    ] {
        assert_eq!(outcome(&bytes).await.unwrap(), Some(Header::default()));
    }
    assert_eq!(outcome(b"").await.unwrap(), None);
}

#[tokio::test]
async fn tls_is_what_the_field_says() {
    for (ssl, tls) in [
        (&[1, 0, 0, 0, 0][..], true),
        (
            &[
                7, 0, 0, 0, 0, 0x21, 0, 7, b'T', b'L', b'S', b'v', b'1', b'.', b'3',
            ],
            true,
        ),
        (&[0, 0, 0, 0, 1], false),
        (&[6, 0, 0, 0, 0], false),
        (&[], false),
    ] {
        let bytes = with_fields(&[field(5, b"id"), field(TYPE_SSL, ssl), field(0xee, b"?")]);
        assert_eq!(outcome(&bytes).await.unwrap().unwrap().tls, tls, "{ssl:?}");
    }
    let none = outcome(&with_fields(&[])).await.unwrap().unwrap();
    assert!(!none.tls);
}

#[tokio::test]
async fn a_checksum_must_be_right() {
    assert!(
        outcome(&with_checksum(|right| right))
            .await
            .unwrap()
            .is_some()
    );
    for bytes in [
        with_checksum(|right| right ^ 1),
        with_checksum(|_| 0),
        with_fields(&[field(TYPE_CRC32C, &[0; 3])]),
        with_fields(&[field(TYPE_CRC32C, &[0; 5])]),
    ] {
        assert!(refusal(&bytes).await.ends_with("wrong checksum"));
    }
    // One bit of an address, a port, the checksum or the padding.
    let right = with_checksum(|right| right);
    for place in (FIXED..FIXED + 12)
        .chain(right.len() - 12..right.len() - 8)
        .chain(right.len() - 5..right.len())
    {
        let mut wrong = right.clone();
        wrong[place] ^= 1;
        assert!(refusal(&wrong).await.ends_with("wrong checksum"), "{place}");
    }
}

#[tokio::test]
async fn anything_else_is_refused_with_the_reason() {
    for (bytes, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "no PROXY header"),
        (b"\x16\x03\x01\x02\x00".to_vec(), "no PROXY header"),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), "no PROXY header"),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            "no PROXY header",
        ),
        (
            b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n".to_vec(),
            "version 1",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "version 1"),
        (SIGNATURE.to_vec(), "broke off"),
        (header(PROXY, V4, &V4_ADDRESSES)[..20].to_vec(), "broke off"),
        (header(0x11, V4, &V4_ADDRESSES), "version or command"),
        (header(0x22, V4, &V4_ADDRESSES), "version or command"),
        (header(PROXY, 0x41, &V4_ADDRESSES), "address family"),
        (header(PROXY, 0x13, &V4_ADDRESSES), "address family"),
        (
            header(PROXY, V4, &V4_ADDRESSES[..11]),
            "addresses cut short",
        ),
        (header(PROXY, V6, &[0; 35]), "addresses cut short"),
        (header(PROXY, 0x32, &[0; 215]), "addresses cut short"),
        (with_fields(&[vec![4, 0]]), "field cut short"),
        (with_fields(&[vec![4, 0, 9, 1]]), "field cut short"),
        (
            header(PROXY, 0, &[0; LONGEST_BLOCK + 1]),
            "longer than 4096",
        ),
    ] {
        let told = refusal(&bytes).await;
        assert!(told.contains(reason), "{told}, not {reason}");
    }
}

proptest! {
    /// Whatever follows the signature is read or refused, and a length is believed only as far as it goes.
    #[test]
    fn no_bytes_can_break_it(
        command in 0x1f_u8..0x23, family in 0_u8..0x34, told in 0_usize..300,
        block in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut bytes = header(command, family, &block);
        bytes[14..16].copy_from_slice(&u16::try_from(told).unwrap().to_be_bytes());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (header, rest) = runtime.block_on(read_in_chunks(&bytes, 64));
        if header.is_ok() {
            prop_assert_eq!(&rest[..], block.get(told..).unwrap());
        }
    }

    /// What a header says is read as it was written, with any fields after it.
    #[test]
    fn what_is_written_is_read(
        address in any::<[u8; 4]>(), port in any::<u16>(), tls in any::<bool>(),
        fields in proptest::collection::vec((0x80_u8.., proptest::collection::vec(any::<u8>(), 0..20)), 0..5),
    ) {
        let mut addresses = V4_ADDRESSES;
        addresses[..4].copy_from_slice(&address);
        addresses[8..10].copy_from_slice(&port.to_be_bytes());
        let mut block = addresses.to_vec();
        block.extend(field(TYPE_SSL, &[u8::from(tls), 0, 0, 0, 0]));
        for (kind, value) in fields {
            block.extend(field(kind, &value));
        }
        let bytes = header(PROXY, V4, &block);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(outcome(&bytes)).unwrap();
        let client = Some(SocketAddr::from((Ipv4Addr::from(address), port)));
        prop_assert_eq!(read, Some(Header { client, tls }));
    }
}
