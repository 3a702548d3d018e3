//! What a request asks for: its parameters as values, or what is wrong with them. Pure.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderMap;
use sluice_wire::polling::{HOLD, LONGEST_HOLD_MS, REVISION};

use super::answer::Refusal;
use crate::poll::board::Claim;

/// The parameter with a space's name, beside groups.
const NAMESPACE: &str = "namespaceId";
/// The longest hold.
pub(super) const LONGEST_HOLD: Duration = Duration::from_millis(LONGEST_HOLD_MS);
/// Groups of one request, at most.
const MAX_GROUPS: usize = 64;
/// The longest name of a group: that of a label's value.
const MAX_NAME: usize = 63;
/// The longest digest that is compared.
const MAX_MD5: usize = 64;

/// A request for what groups have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    /// The space as the client names it; empty where it names none.
    pub(super) namespace: String,
    /// Each once, in the order asked.
    pub(super) groups: Vec<String>,
    /// The MD5s of what the client has, where it says so; only a fleet's groups are answered by them.
    pub(super) since: Vec<String>,
}

impl Fetch {
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        let (mut namespace, mut groups, mut since) = (None, Vec::new(), Vec::new());
        for (name, value) in pairs(query) {
            match &*name {
                NAMESPACE => namespace = namespace.or(Some(value.into_owned())),
                "groupKeys" => add(&mut groups, name_of(&value)?, |known, name| known == name)?,
                "since" => add(&mut since, md5_of(&value)?, |_, _| false)?,
                _ => {}
            }
        }
        if groups.is_empty() {
            return Err(Refusal::bad("no group is asked for: groupKeys=GROUP, once for each"));
        }
        Ok(Self { namespace: namespace.unwrap_or_default(), groups, since })
    }

    /// Groups, each with the MD5 of what the client has of it, where it says so.
    pub(super) fn bases(self) -> Result<Vec<(String, Option<String>)>, Refusal> {
        if self.since.is_empty() {
            return Ok(self.groups.into_iter().map(|group| (group, None)).collect());
        }
        if self.since.len() != self.groups.len() {
            return Err(Refusal::bad(
                "since=<md5> comes not at all or once for each groupKeys, each of another group",
            ));
        }
        let given = self.since.into_iter().map(|md5| Some(md5).filter(|md5| !md5.is_empty()));
        Ok(self.groups.into_iter().zip(given).collect())
    }
}

/// A request to be told what changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listen {
    /// The space as the client names it; empty where it names none.
    pub(super) namespace: String,
    /// What the client has, each group once.
    pub(super) claims: Vec<Claim>,
}

impl Listen {
    /// From the query and a form, of which the query counts where both name the same.
    pub(super) fn read(query: &str, form: &str) -> Result<Self, Refusal> {
        let (mut namespace, mut claims) = (None, Vec::new());
        for (name, value) in pairs(query).chain(pairs(form)) {
            if name == NAMESPACE {
                namespace = namespace.or(Some(value.into_owned()));
            } else {
                add(&mut claims, claim(&name, &value)?, |known: &Claim, claim| known.group == claim.group)?;
            }
        }
        if claims.is_empty() {
            return Err(Refusal::bad("no group is asked for: GROUP=<md5>,<lastModifyTime>, once for each"));
        }
        Ok(Self { namespace: namespace.unwrap_or_default(), claims })
    }
}

/// A login's name and password; empty where they are missing.
pub(super) fn login(query: &str) -> (String, String) {
    let of =
        |wanted: &str| pairs(query).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    (of("userName").unwrap_or_default(), of("password").unwrap_or_default())
}

/// How long the client wants to be held at most.
pub(super) fn hold(headers: &HeaderMap) -> Result<Duration, Refusal> {
    let Some(wish) = headers.get(HOLD) else { return Ok(LONGEST_HOLD) };
    let millis = wish.to_str().ok().and_then(|text| text.parse().ok());
    let millis = millis.ok_or_else(|| Refusal::bad(format!("header {HOLD} is no number of milliseconds")))?;
    Ok(LONGEST_HOLD.min(Duration::from_millis(millis)))
}

/// The revision of a fleet that the client has in effect, if it says one.
pub(super) fn revision(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(revision) = headers.get(REVISION) else { return Ok(None) };
    let number = revision.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Refusal::bad(format!("header {REVISION} is no revision")))
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let given = headers.get_all(http::header::ACCEPT_ENCODING);
    let texts = given.iter().filter_map(|value| value.to_str().ok());
    let mut codings = texts.flat_map(|text| text.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        ["gzip", "*"].iter().any(|known| name.trim().eq_ignore_ascii_case(known)) && !refused
    })
}

fn pairs(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(text.as_bytes())
}

fn add<T>(list: &mut Vec<T>, item: T, same: impl Fn(&T, &T) -> bool) -> Result<(), Refusal> {
    if list.iter().any(|known| same(known, &item)) {
        return Ok(());
    }
    if list.len() == MAX_GROUPS {
        return Err(Refusal::bad(format!("more than {MAX_GROUPS} groups")));
    }
    list.push(item);
    Ok(())
}

fn name_of(text: &str) -> Result<String, Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let begin: String = text.chars().take(MAX_NAME).collect();
    Err(Refusal::bad(format!(
        "{begin:?} is no group's name: 1 to {MAX_NAME} letters, digits, \"_\", \".\" and \"-\""
    )))
}

fn md5_of(text: &str) -> Result<String, Refusal> {
    if text.len() <= MAX_MD5 { Ok(text.to_owned()) } else { Err(Refusal::bad("since: it is no MD5")) }
}

fn claim(name: &str, value: &str) -> Result<Claim, Refusal> {
    let group = name_of(name)?;
    let read = value.split_once(',').and_then(|(md5, time)| {
        // A client's clock may give any number; below 0 is older than everything.
        let time: i64 = time.trim().parse().ok()?;
        (md5.len() <= MAX_MD5).then(|| (md5.to_owned(), u64::try_from(time).unwrap_or(0)))
    });
    let (md5, last_modify_time) =
        read.ok_or_else(|| Refusal::bad(format!("group {group}: its value is no <md5>,<lastModifyTime>")))?;
    Ok(Claim { group, md5, last_modify_time })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(of: &[(&str, &str, u64)]) -> Vec<Claim> {
        let claim = |&(group, md5, last_modify_time): &(&str, &str, u64)| Claim {
            group: group.to_owned(),
            md5: md5.to_owned(),
            last_modify_time,
        };
        of.iter().map(claim).collect()
    }

    #[test]
    fn groups_are_asked_for_one_by_one() {
        let fetch = Fetch::read("groupKeys=A&x=1&groupKeys=B.c-d_e&groupKeys=A&namespaceId=n%20s").unwrap();
        assert_eq!(
            fetch,
            Fetch {
                namespace: "n s".to_owned(),
                groups: vec!["A".into(), "B.c-d_e".into()],
                since: Vec::new(),
            }
        );
        assert_eq!(Fetch::read("groupKeys=A").unwrap().namespace, "");
    }

    #[test]
    fn what_a_client_has_of_each_group_may_be_named_with_it() {
        let bases = |query: &str| Fetch::read(query).unwrap().bases().map_err(|refusal| refusal.to_string());
        let pair = |group: &str, md5: Option<&str>| (group.to_owned(), md5.map(str::to_owned));
        assert_eq!(bases("groupKeys=A&groupKeys=B").unwrap(), [pair("A", None), pair("B", None)]);
        let both = [pair("A", None), pair("B", Some("1b"))];
        assert_eq!(bases("groupKeys=A&since=&groupKeys=B&since=1b").unwrap(), both);
        for odd in ["groupKeys=A&groupKeys=B&since=1", "groupKeys=A&groupKeys=A&since=1&since=2"] {
            assert!(bases(odd).unwrap_err().contains("once for each groupKeys"), "{odd}");
        }
        let long = format!("groupKeys=A&since={}", "0".repeat(65));
        assert!(Fetch::read(&long).unwrap_err().to_string().contains("since: it is no MD5"));
    }

    #[test]
    fn a_revision_is_a_number() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REVISION, text.parse().unwrap());
            revision(&headers)
        };
        assert_eq!(revision(&HeaderMap::new()).unwrap(), None);
        assert_eq!(with("1700000000000").unwrap(), Some(1_700_000_000_000));
        for wrong in ["", "-1", "x", "1.5"] {
            assert!(with(wrong).unwrap_err().to_string().contains("Sluice-Revision"), "{wrong}");
        }
    }

    #[test]
    fn what_a_client_has_may_stand_in_the_query_or_in_the_form() {
        let both = Listen::read("A=1a,10&namespaceId=n", "B=2b%2C20&A=other%2C1&namespaceId=m").unwrap();
        let wanted = claims(&[("A", "1a", 10), ("B", "2b", 20)]);
        assert_eq!(both, Listen { namespace: "n".to_owned(), claims: wanted });
        let odd = Listen::read("", "A=%2C-5&B=null%2C0").unwrap();
        assert_eq!(odd.claims, claims(&[("A", "", 0), ("B", "null", 0)]));
    }

    #[test]
    fn what_is_no_question_is_refused_with_what_is_wrong() {
        let long = format!("groupKeys={}", "a".repeat(64));
        let many: String = (0..65).map(|number| format!("groupKeys=G{number}&")).collect();
        for (query, words) in [
            ("", "no group is asked for"),
            ("groupKeys=", "\"\" is no group's name"),
            ("groupKeys=a%20b", "\"a b\" is no group's name"),
            ("groupKeys=%ff", "is no group's name"),
            (&long, "is no group's name"),
            (&many, "more than 64 groups"),
        ] {
            let said = Fetch::read(query).unwrap_err().to_string();
            assert!(said.contains(words), "{query}: {said}");
        }
        let long = format!("A={},1", "0".repeat(65));
        for (form, words) in [
            ("namespaceId=a", "no group is asked for"),
            ("A", "group A: its value is no <md5>,<lastModifyTime>"),
            ("A=1", "group A: its value"),
            ("A=1,", "group A: its value"),
            ("A=1,x", "group A: its value"),
            ("A=1,2,3", "group A: its value"),
            (&long, "group A: its value"),
            ("=1,2", "is no group's name"),
        ] {
            let said = Listen::read("", form).unwrap_err().to_string();
            assert!(said.contains(words), "{form}: {said}");
        }
    }

    #[test]
    fn a_client_may_wish_for_a_shorter_hold_and_no_longer_one() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOLD, text.parse().unwrap());
            hold(&headers)
        };
        assert_eq!(hold(&HeaderMap::new()).unwrap(), LONGEST_HOLD);
        assert_eq!(with("0").unwrap(), Duration::ZERO);
        assert_eq!(with("1500").unwrap(), Duration::from_millis(1_500));
        assert_eq!(with("600000").unwrap(), LONGEST_HOLD);
        for wrong in ["", "-1", "1s", "1.5"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gzip_is_used_where_it_is_not_refused() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::ACCEPT_ENCODING, text.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(with("gzip") && with("deflate, GZIP;q=0.5") && with("*"));
        assert!(!with("") && !with("deflate") && !with("gzip;q=0") && !with("gzip; q=0.0, br"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
