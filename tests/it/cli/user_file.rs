//! `countersign user import`, `export`, `roles` and `invite`.

use serde_json::json;

use super::machine::Machine;

const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";

fn table() -> String {
    format!(
        "email,id,email_verified,username,roles,enabled,password_hash,name,address.country\r\n\
         ada@example.com,4711,true,ada,\"admin, editor\",,{BCRYPT},\"Lovelace, Ada\",GB\r\n\
         bob@example.com,,,,,false,,,\r\n"
    )
}

#[tokio::test]
async fn people_are_added_from_a_table_with_all_that_is_known_of_them() {
    let machine = Machine::migrated().await;
    machine.write("people.csv", &table());
    let text = machine.run(&["user", "import", "people.csv"]).assert_ok();
    assert_eq!(text, "Added 2, left 0 as they were.\n");
    let ada = machine.json(&["user", "show", "ada"]);
    assert_eq!((&ada["id"], &ada["email_verified"], &ada["enabled"]), (&json!("4711"), &json!(true), &json!(true)));
    assert_eq!(ada["claims"], json!({ "name": "Lovelace, Ada", "address": { "country": "GB" } }));
    assert_eq!(ada["roles"], json!(["admin", "editor"]));
    let bob = machine.json(&["user", "show", "bob@example.com"]);
    assert_eq!(
        (&bob["email_verified"], &bob["enabled"], &bob["username"]),
        (&json!(false), &json!(false), &json!(null))
    );
    assert_eq!(bob["id"].as_str().unwrap().len(), 22);
    let kinds: Vec<_> = machine.audited().await.into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["user.created", "user.created"]);
}

#[tokio::test]
async fn what_was_exported_is_imported_as_it_was() {
    let (machine, other, third) = (Machine::migrated().await, Machine::migrated().await, Machine::migrated().await);
    machine.run_with_input(&["user", "import", "-"], &table()).assert_ok();
    let own = ["groups=staff,poets", "attributes.department=Engines", "name#de=Ada von L"];
    machine.run(&[&["user", "set", "ada@example.com"], &own[..]].concat()).assert_ok();
    let export = ["user", "export", "--password-hashes"];
    let (csv, json) = (machine.run(&export).assert_ok(), machine.json(&export));
    assert!(csv.contains(BCRYPT) && json[0]["password_hash"] == BCRYPT, "{csv} {json}");
    assert_eq!(json[0]["claims"]["groups"], json!(["poets", "staff"]));
    assert!(csv.lines().next().unwrap().ends_with(",attributes.department,groups,name#de"), "{csv}");

    other.run_with_input(&["user", "import", "-"], &csv).assert_ok();
    third.run_with_input(&["user", "import", "-", "--format", "json"], &json.to_string()).assert_ok();
    assert_eq!(other.run(&export).assert_ok(), csv);
    assert_eq!(third.json(&export), json);

    for hidden in [machine.run(&["user", "export"]).assert_ok(), machine.json(&["user", "export"]).to_string()] {
        assert!(
            hidden.contains("ada@example.com") && !hidden.contains("$2y$") && !hidden.contains("password"),
            "{hidden}"
        );
    }
}

#[tokio::test]
async fn one_wrong_line_adds_nobody() {
    let machine = Machine::migrated().await;
    machine.run(&["user", "add", "taken@example.com"]).assert_ok();
    let head = "email,username,roles,enabled,password_hash,picture,id";
    for (line, words) in [
        ("nobody,,,,,,", "line 3: this is not a mail address"),
        ("x@example.com,a b,,,,,", "line 3: a user name has"),
        ("x@example.com,,a b,,,,", "line 3: a role is"),
        ("x@example.com,,,yes,,,", "line 3: email_verified and enabled are true or false"),
        ("x@example.com,,,,5f4dcc3b5aa765d61d8327deb882cf99,,", "line 3: a password hash must be bcrypt"),
        ("x@example.com,,,,$2b$31$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG,,", "too costly"),
        ("x@example.com,,,,,javascript:alert(1),", "picture must be"),
        ("x@example.com,,,,,,an id", "an id is 1 to 255"),
        ("x@example.com,,", "line 3: 3 fields, but the first line has 7"),
        ("\"x@example.com,,,,,,", "line 3: a quotation mark is out of place"),
        ("TAKEN@example.com,,,,,,", "belongs to another account; nobody was added"),
        ("GOOD@example.com,,,,,,", "belongs to another account; nobody was added"),
    ] {
        let text = format!("{head}\ngood@example.com,,,,,,\n{line}\n");
        machine.run_with_input(&["user", "import", "-"], &text).assert_fails(words);
    }
    for (text, words) in [
        ("", "must name the columns"),
        ("name\nAda", "\"email\" among them"),
        ("email,sub\nx@example.com,1", "\"sub\" is no column"),
    ] {
        machine.run_with_input(&["user", "import", "-"], text).assert_fails(words);
    }
    for (text, words) in [
        ("{}", "line 1: this is not a list of people"),
        ("[{\"email\": \"x@example.com\", \"sub\": \"hunter2\"}]", "this is not a list of people"),
        ("[{\"email\": \"x@example.com\", \"claims\": {\"sub\": \"1\"}}]", "person 1: \"sub\" is not a claim"),
        ("[{\"email\": \"x@example.com\", \"claims\": {\"email_verified\": true}}]", "is not a claim"),
        ("[{\"email\": \"x@example.com\", \"claims\": {\"name\": 1}}]", "person 1: name must be text"),
    ] {
        let refused = machine.run_with_input(&["user", "import", "-", "--format", "json"], text);
        refused.assert_fails(words);
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    machine.run(&["user", "import", "missing.csv"]).assert_fails("No such file");
    assert_eq!(machine.json(&["user", "list"]).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn people_who_are_there_already_can_be_left_as_they_are() {
    let machine = Machine::migrated().await;
    machine.run(&["user", "add", "ADA@example.com", "--name", "Ada"]).assert_ok();
    let again = machine.run_with_input(&["user", "import", "-", "--skip-existing", "--json"], &table()).json();
    assert_eq!(again, json!({ "imported": 1, "skipped": 1 }));
    assert_eq!(machine.json(&["user", "show", "ada@example.com"])["claims"], json!({ "name": "Ada" }));
}

#[tokio::test]
async fn roles_are_given_and_taken() {
    let machine = Machine::migrated().await;
    machine.run(&["user", "add", "ada@example.com", "--role", "editor"]).assert_ok();
    let roles = |arguments: &[&str]| machine.json(&[&["user", "roles", "ada@example.com"], arguments].concat());
    assert_eq!(roles(&[]), json!(["editor"]));
    assert_eq!(roles(&["--add", "admin", "--add", "reader", "--remove", "editor"]), json!(["admin", "reader"]));
    assert_eq!(roles(&["--remove", "nothing", "--add", "admin"]), json!(["admin", "reader"]));
    let text =
        machine.run(&["user", "roles", "ada@example.com", "--remove", "admin", "--remove", "reader"]).assert_ok();
    assert_eq!(text, "Roles of ada@example.com: none\n");
    machine.run(&["user", "roles", "ada@example.com", "--add", "a b"]).assert_misused("a role is");
    machine.run(&["user", "roles", "eve@example.com"]).assert_fails("there is no account eve@example.com");
    let changes = machine.audited().await.into_iter().filter(|row| row.kind == "user.changed").count();
    assert_eq!(changes, 2, "what changes nothing is not recorded");
}

#[tokio::test]
async fn whoever_is_invited_gets_a_mail_and_nobody_else_learns_the_link() {
    let machine = Machine::migrated().await;
    let invite = ["user", "invite", "eve@example.com"];
    machine.run(&invite).assert_fails("set `signup.mode`");
    let machine = machine.with("SIGNUP__MODE", "invitation");
    let text = machine.run(&invite).assert_ok();
    assert!(text.starts_with("eve@example.com gets a mail") && !text.contains("/link"), "{text}");
    assert_eq!(machine.json(&invite)["email"], "eve@example.com");
    machine.run(&["user", "invite", "no address"]).assert_misused("not a mail address");
    machine.run(&["user", "add", "ada@example.com"]).assert_ok();
    machine.run(&["user", "invite", "ADA@example.com"]).assert_fails("belongs to another account");
    let issued: Vec<_> = machine.audited().await.into_iter().filter(|row| row.kind == "link.issued").collect();
    assert!(issued.iter().take(2).all(|row| row.detail.contains("invitation")), "{issued:?}");
    assert!(!format!("{issued:?}").contains("eve"), "whom it was for is not told to whoever reads the trail");
}
