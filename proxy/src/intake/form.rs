//! Decodes `application/x-www-form-urlencoded`, in place: what is decoded is never longer than what
//! was sent. Pure. `body` is bytes and may be anything; every other name and value is UTF-8.

use std::ops::Range;

/// The parameters of the report contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// `groupId`
    GroupId,
    /// `streamId`
    StreamId,
    /// `body`
    Body,
    /// `dt`
    Dt,
    /// `cnt`
    Cnt,
    /// `rcdDlmtr`
    Delimiter,
    /// `callback`
    Callback,
    /// `auditVersion`
    AuditVersion,
}

const FIELDS: [(Field, &[u8]); 8] = [
    (Field::GroupId, b"groupId"),
    (Field::StreamId, b"streamId"),
    (Field::Body, b"body"),
    (Field::Dt, b"dt"),
    (Field::Cnt, b"cnt"),
    (Field::Delimiter, b"rcdDlmtr"),
    (Field::Callback, b"callback"),
    (Field::AuditVersion, b"auditVersion"),
];

/// What can't be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// A `%` without two hexadecimal digits after it.
    #[error("'%' is not followed by two hexadecimal digits")]
    Percent,
    /// A name, or a value other than that of `body`, is not UTF-8.
    #[error("a parameter other than body is not UTF-8")]
    Utf8,
}

/// How many parameters beside the contract's are kept, to be found by name.
const OTHERS: usize = 32;

/// A decoded form.
#[derive(Clone, Debug, Default)]
pub(super) struct Form {
    bytes: Vec<u8>,
    fields: [Option<Range<usize>>; FIELDS.len()],
    /// Names and values of other parameters.
    others: Vec<(Range<usize>, Range<usize>)>,
}

impl Form {
    /// Decodes a whole form. Of a repeated name the first value counts; empty pairs are passed over.
    ///
    /// # Errors
    /// [`FormError`], wherever in the form it is.
    pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Self, FormError> {
        let mut fields = <[Option<Range<usize>>; FIELDS.len()]>::default();
        let mut others = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let rest = bytes.get(start..).unwrap_or_default();
            let end = memchr::memchr(b'&', rest).map_or(bytes.len(), |at| start + at);
            match decode_pair(&mut bytes, start..end)? {
                Some((Name::Field(field), value)) => {
                    let place = fields.get_mut(field as usize);
                    if let Some(place @ None) = place {
                        *place = Some(value);
                    }
                }
                Some((Name::Other(name), value)) if others.len() < OTHERS => others.push((name, value)),
                _ => {}
            }
            start = end + 1;
        }
        Ok(Self { bytes, fields, others })
    }

    /// The value of the first parameter of that name, the contract's own among them.
    #[must_use]
    pub(super) fn named(&self, name: &str) -> Option<&[u8]> {
        if let Some(field) = known(name.as_bytes()) {
            return self.get(field);
        }
        let is_it = |at: &Range<usize>| self.bytes.get(at.clone()) == Some(name.as_bytes());
        let (_, value) = self.others.iter().find(|(other, _)| is_it(other))?;
        self.bytes.get(value.clone())
    }

    /// The value of a field, if the form has it.
    #[must_use]
    pub(super) fn get(&self, field: Field) -> Option<&[u8]> {
        let range = self.fields.get(field as usize)?.clone()?;
        self.bytes.get(range)
    }
}

/// A parameter's name.
enum Name {
    /// One of the contract.
    Field(Field),
    /// Another, and where it stands decoded.
    Other(Range<usize>),
}

/// Decodes one `name=value`; returns the name and where its value now is.
fn decode_pair(bytes: &mut [u8], pair: Range<usize>) -> Result<Option<(Name, Range<usize>)>, FormError> {
    let Some(text) = bytes.get_mut(pair.clone()) else { return Ok(None) };
    if text.is_empty() {
        return Ok(None);
    }
    let length = text.len();
    let split = memchr::memchr(b'=', text).unwrap_or(length);
    let (name, rest) = text.split_at_mut(split);
    // Names are most often sent as they are, and then need no decoding.
    let name = match known(name) {
        None => {
            let length = decode_in_place(name)?;
            let name = name.get(..length).unwrap_or_default();
            std::str::from_utf8(name).map_err(|_| FormError::Utf8)?;
            known(name).map_or(Name::Other(pair.start..pair.start + length), Name::Field)
        }
        Some(field) => Name::Field(field),
    };
    let value = rest.get_mut(1..).unwrap_or_default();
    let value_length = decode_in_place(value)?;
    if !matches!(name, Name::Field(Field::Body))
        && std::str::from_utf8(value.get(..value_length).unwrap_or_default()).is_err()
    {
        return Err(FormError::Utf8);
    }
    let at = pair.start + (split + 1).min(length);
    Ok(Some((name, at..at + value_length)))
}

fn known(name: &[u8]) -> Option<Field> {
    FIELDS.iter().find(|(_, known)| *known == name).map(|(field, _)| *field)
}

/// Decodes `%XX` and `+` in place and returns the length of what was decoded.
fn decode_in_place(bytes: &mut [u8]) -> Result<usize, FormError> {
    let Some(first) = memchr::memchr2(b'%', b'+', bytes) else { return Ok(bytes.len()) };
    let (mut read, mut write) = (first, first);
    while let Some(&byte) = bytes.get(read) {
        let decoded = match byte {
            b'+' => b' ',
            b'%' => {
                let high = hex(bytes.get(read + 1))?;
                let low = hex(bytes.get(read + 2))?;
                read += 2;
                high << 4 | low
            }
            other => other,
        };
        if let Some(place) = bytes.get_mut(write) {
            *place = decoded;
        }
        read += 1;
        write += 1;
    }
    Ok(write)
}

fn hex(digit: Option<&u8>) -> Result<u8, FormError> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(FormError::Percent),
    }
}

/// The `groupId` and `streamId` of a form that is still arriving, once both stand in it whole. They are
/// then final: in a form the first value counts, and a form's value overrides the query's.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    /// Where the pair begins that is not whole yet.
    pair: usize,
    /// Up to where its end was looked for.
    searched: usize,
    ids: [Option<Vec<u8>>; 2],
}

impl Prefix {
    /// Looks at what has arrived so far; `bytes` only ever grows, and no byte is searched twice. Returns
    /// both ids, decoded. One that can't be decoded, and a name that is percent-encoded, is left to
    /// [`Form::decode`], so nothing is returned.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        while self.ids.iter().any(Option::is_none) {
            let from = self.searched.max(self.pair);
            let Some(found) = memchr::memchr(b'&', bytes.get(from..)?) else {
                self.searched = bytes.len();
                return None;
            };
            self.take(bytes.get(self.pair..from + found)?);
            self.pair = from + found + 1;
        }
        match &self.ids {
            [Some(group_id), Some(stream_id)] => Some((group_id, stream_id)),
            _ => None,
        }
    }

    fn take(&mut self, pair: &[u8]) {
        for (id, name) in self.ids.iter_mut().zip([&b"groupId="[..], b"streamId="]) {
            if let (None, Some(value)) = (&id, pair.strip_prefix(name)) {
                let mut value = value.to_vec();
                if let Ok(length) = decode_in_place(&mut value) {
                    value.truncate(length);
                    *id = Some(value);
                }
            }
        }
    }
}

/// Decodes the `%XX` of a path; `+` is itself there.
///
/// # Errors
/// [`FormError::Percent`].
pub(super) fn decode_path(path: &str) -> Result<Vec<u8>, FormError> {
    let mut bytes = path.replace('+', "%2B").into_bytes();
    let length = decode_in_place(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> Result<Form, FormError> {
        Form::decode(text.as_bytes().to_vec())
    }

    fn get(text: &str, field: Field) -> Option<Vec<u8>> {
        decode(text).unwrap().get(field).map(<[u8]>::to_vec)
    }

    #[test]
    fn plus_is_a_space_and_percent_is_a_byte() {
        assert_eq!(get("body=a+b%2Bc%26%3d%25", Field::Body).unwrap(), b"a b+c&=%");
        assert_eq!(get("body=%00%ff", Field::Body).unwrap(), [0, 0xff]);
    }

    #[test]
    fn of_a_repeated_name_the_first_value_counts() {
        assert_eq!(get("groupId=a&groupId=b", Field::GroupId).unwrap(), b"a");
        assert_eq!(get("groupId=&groupId=b", Field::GroupId).unwrap(), b"");
    }

    #[test]
    fn a_name_may_be_encoded_and_a_value_may_be_missing() {
        assert_eq!(get("group%49d=a", Field::GroupId).unwrap(), b"a");
        assert_eq!(get("&&body&dt=1&", Field::Body).unwrap(), b"");
        assert_eq!(get("body=a=b", Field::Body).unwrap(), b"a=b");
        assert_eq!(get("bodyx=1&xbody=2", Field::Body), None);
    }

    #[test]
    fn a_parameter_beside_the_contract_is_found_by_its_name() {
        let form = decode("user=a%26b&x%3Dy=1&user=c&body=z&empty").unwrap();
        assert_eq!(form.named("user"), Some(&b"a&b"[..]));
        assert_eq!(form.named("x=y"), Some(&b"1"[..]));
        assert_eq!(form.named("body"), Some(&b"z"[..]));
        assert_eq!(form.named("empty"), Some(&b""[..]));
        assert_eq!(form.named("none"), None);
        let many: String = (0..OTHERS + 1).map(|n| format!("p{n}=1&")).collect();
        let form = decode(&many).unwrap();
        assert_eq!(form.others.len(), OTHERS);
    }

    #[test]
    fn broken_percent_encoding_is_an_error_wherever_it_is() {
        for text in ["body=%", "body=%4", "body=%4x", "x%zz=1", "other=%G0", "body=ok&%"] {
            assert_eq!(decode(text).unwrap_err(), FormError::Percent, "{text}");
        }
    }

    #[test]
    fn only_body_may_be_other_than_utf8() {
        assert!(decode("body=%ff").is_ok());
        for text in ["groupId=%ff", "other=%ff", "%ff=1", "dt=%c3"] {
            assert_eq!(decode(text).unwrap_err(), FormError::Utf8, "{text}");
        }
    }

    #[test]
    fn ids_are_known_as_soon_as_both_stand_whole_in_the_prefix() {
        let form = b"x=1&groupId=g%2d&streamId=s&body=xxx";
        let mut prefix = Prefix::default();
        let known_at = (0..=form.len()).find(|end| prefix.look(&form[..*end]).is_some()).unwrap();
        assert_eq!(known_at, b"x=1&groupId=g%2d&streamId=s&".len());
        assert_eq!(prefix.look(form), Some((&b"g-"[..], &b"s"[..])));
    }

    #[test]
    fn an_id_that_cannot_be_decoded_is_never_known() {
        let form = b"groupId=%zz&streamId=s&body=x&";
        assert_eq!(Prefix::default().look(form), None);
    }

    #[test]
    fn a_path_keeps_its_plus_and_its_ampersand() {
        assert_eq!(decode_path("/a%20b+c&d=e").unwrap(), b"/a b+c&d=e");
        assert_eq!(decode_path("/%4"), Err(FormError::Percent));
    }

    type Pair = (Vec<u8>, Vec<u8>);

    /// The rules once more, written the slow and plain way.
    fn plain(text: &[u8]) -> Result<Vec<Pair>, FormError> {
        let unescape = |part: &[u8]| -> Result<Vec<u8>, FormError> {
            let mut out = Vec::new();
            let mut rest = part.iter().copied();
            while let Some(byte) = rest.next() {
                out.push(match byte {
                    b'+' => b' ',
                    b'%' => {
                        let digits = [rest.next(), rest.next()];
                        let [Some(a), Some(b)] = digits else { return Err(FormError::Percent) };
                        let text = [a, b].map(char::from).iter().collect::<String>();
                        if !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                            return Err(FormError::Percent);
                        }
                        u8::from_str_radix(&text, 16).unwrap()
                    }
                    other => other,
                });
            }
            Ok(out)
        };
        text.split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let mut parts = pair.splitn(2, |byte| *byte == b'=');
                let (name, value) = (parts.next().unwrap(), parts.next().unwrap_or_default());
                Ok((unescape(name)?, unescape(value)?))
            })
            .collect()
    }

    fn form_like() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"groupId=".to_vec()),
            Just(b"streamId".to_vec()),
            Just(b"body=".to_vec()),
            Just(b"&".to_vec()),
            Just(b"%41".to_vec()),
            Just(b"%c3%a9".to_vec()),
            Just(b"%".to_vec()),
            Just(b"+".to_vec()),
            prop::collection::vec(any::<u8>(), 0..4),
            "[a-z]{0,4}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn decoding_agrees_with_the_plain_rules(text in form_like()) {
            let utf8 = |pairs: &[Pair]| pairs.iter().all(|(name, value)| {
                std::str::from_utf8(name).is_ok() && (name == b"body" || std::str::from_utf8(value).is_ok())
            });
            match (Form::decode(text.clone()), plain(&text)) {
                (Ok(form), Ok(pairs)) => {
                    prop_assert!(utf8(&pairs));
                    for (field, name) in FIELDS {
                        let first = pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
                        prop_assert_eq!(form.get(field), first);
                    }
                }
                (Err(FormError::Utf8), Ok(pairs)) => prop_assert!(!utf8(&pairs)),
                (Err(_), Err(_)) => {}
                (decoded, plain) => prop_assert!(false, "{decoded:?} {plain:?}"),
            }
        }

        #[test]
        fn what_was_encoded_decodes_to_itself(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let encoded: String = body.iter().map(|byte| format!("%{byte:02X}")).collect();
            let form = decode(&format!("groupId=g&body={encoded}&cnt=1")).unwrap();
            prop_assert_eq!(form.get(Field::Body), Some(body.as_slice()));
        }

        #[test]
        fn the_prefix_never_contradicts_the_whole_form(text in form_like(), cut in 0_usize..200) {
            let mut prefix = Prefix::default();
            let seen = prefix.look(&text[..cut.min(text.len())]).map(|(g, s)| (g.to_vec(), s.to_vec()));
            let named_plainly = !text.windows(3).any(|three| three[0] == b'%' && three[1] != b'c');
            if let (Some((group_id, stream_id)), Ok(form), true) = (seen, Form::decode(text.clone()), named_plainly) {
                prop_assert_eq!(form.get(Field::GroupId), Some(group_id.as_slice()));
                prop_assert_eq!(form.get(Field::StreamId), Some(stream_id.as_slice()));
            }
        }
    }
}
