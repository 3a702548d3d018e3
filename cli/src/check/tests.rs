//! Checking as a whole: what is told and which exit code it ends with.

use sluice_wire::status::StreamBooks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn books(admitted: u64, delivered: u64) -> Books {
    let (group_id, stream_id) = ("g".to_owned(), "s".to_owned());
    let stream = StreamBooks { group_id, stream_id, admitted, delivered, ..StreamBooks::default() };
    Books { fleet: None, streams: vec![stream] }
}

fn findings(nodes: &[(&str, Result<Books, &str>)]) -> Findings {
    let asked = nodes.iter().map(|(node, books)| {
        let books = books.clone().map_err(ToOwned::to_owned);
        ((*node).to_owned(), books)
    });
    Findings::of(asked.collect())
}

fn text(findings: &Findings) -> (String, String) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    findings.write_text(&mut out, &mut errors).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(errors).unwrap())
}

#[test]
fn books_that_balance_are_added_up_and_the_end_is_good() {
    let findings = findings(&[("a:1", Ok(books(5, 5))), ("b:1", Ok(books(2, 2)))]);
    let (out, errors) = text(&findings);
    assert!(out.contains("g/s            7          7"), "{out}");
    assert!(out.ends_with("2 of 2 node(s) asked, 1 stream(s), all balance\n"), "{out}");
    assert_eq!((errors.as_str(), findings.exit()), ("", Exit::Done));
    assert_eq!(findings.json()["balanced"], true);
}

#[test]
fn a_node_that_does_not_balance_is_named() {
    let findings = findings(&[("a:1", Ok(books(5, 4))), ("b:1", Ok(books(2, 3))), ("c:1", Err("gone"))]);
    let (out, errors) = text(&findings);
    assert!(!out.contains("all balance"), "{out}");
    assert_eq!(
        errors,
        "sluice: a:1: g/s does not balance: admitted 5, accounted for 4, 1 missing\n\
         sluice: b:1: g/s does not balance: admitted 2, accounted for 3, 1 too many\n\
         sluice: c:1: gone\n"
    );
    assert_eq!(findings.exit(), Exit::Failed);
    let json = findings.json();
    assert_eq!((&json["balanced"], &json["imbalances"][0]["node"]), (&json!(false), &json!("a:1")));
}

#[test]
fn a_node_that_cant_be_asked_is_no_balance() {
    let findings = findings(&[("a:1", Ok(books(5, 5))), ("c:1", Err("gone"))]);
    assert_eq!(findings.exit(), Exit::Unreachable);
    assert_eq!(findings.json()["balanced"], false);
    assert_eq!(findings.json()["nodes"][1]["error"], "gone");
}

#[test]
fn a_node_named_twice_is_asked_once() {
    let named = ["b:1".to_owned(), "a:1".to_owned(), "b:1".to_owned()];
    assert_eq!(wanted(&named), ["b:1", "a:1"]);
}

#[tokio::test]
async fn nodes_are_asked_for_their_books_and_answers_keep_their_order() {
    let mut nodes = Vec::new();
    for answer in [serde_json::to_string(&books(1, 1)).unwrap(), "[]".to_owned()] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        nodes.push(listener.local_addr().unwrap().to_string());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /books HTTP/1.1\r\n"));
            let length = answer.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
    }
    let asked = ask_all(nodes.clone()).await;
    assert_eq!(asked[0], (nodes[0].clone(), Ok(books(1, 1))));
    assert_eq!(asked[1].0, nodes[1]);
    assert!(asked[1].1.as_ref().unwrap_err().contains("can't be read"), "{asked:?}");
}
