//! Triggers as people write them, and what is read out of them.

use super::triggers::{Effects, effects};
use crate::catalog::{Trigger, TriggerCode};

fn of(language: &str, function: &str, body: &str, arguments: &str) -> Effects {
    let trigger = Trigger {
        name: "t".to_owned(),
        timing: "BEFORE".to_owned(),
        events: "INSERT OR UPDATE".to_owned(),
        function: function
            .split('.')
            .next_back()
            .unwrap_or_default()
            .to_owned(),
        enabled: true,
    };
    let code = TriggerCode {
        trigger: "t".to_owned(),
        function: function.to_owned(),
        language: language.to_owned(),
        body: body.to_owned(),
        arguments: arguments.to_owned(),
    };
    effects(&trigger, &[code], "purchases")
}

fn plpgsql(body: &str) -> Effects {
    of("plpgsql", "public.f", body, "")
}

fn names(set: &std::collections::BTreeSet<String>) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}

#[test]
fn what_leaves_the_database() {
    for (body, what) in [
        (
            "begin perform pg_notify('x', new.id::text); return new; end",
            "pg_notify",
        ),
        (
            "begin PERFORM PG_NOTIFY ('x', ''); return new; end",
            "pg_notify",
        ),
        ("begin notify changed; return new; end", "notify"),
        (
            "begin if true then notify changed, 'x'; end if; return new; end",
            "notify",
        ),
        ("begin execute 'notify changed'; return new; end", "notify"),
        (
            "begin perform net.http_post(url := 'x'); return new; end",
            "net.http_post",
        ),
        (
            "begin perform extensions.http_get('x'); return new; end",
            "extensions.http_get",
        ),
        (
            "begin perform pgmq.send('q', '{}'); return new; end",
            "pgmq.send",
        ),
        (
            "begin insert into net.http_request_queue values (1); return new; end",
            "net.http_request_queue",
        ),
        (
            "begin perform realtime.broadcast_changes('x'); return new; end",
            "realtime.broadcast_changes",
        ),
        (
            "begin copy t to program 'sh'; return new; end",
            "copy to program",
        ),
    ] {
        let found = plpgsql(body);
        assert_eq!(names(&found.outside), [what], "{body}");
    }
    let found = of(
        "plpgsql",
        "supabase_functions.http_request",
        "",
        "https://x",
    );
    assert_eq!(names(&found.outside), ["supabase_functions.http_request"]);
}

#[test]
fn what_only_looks_like_it() {
    for body in [
        "begin -- pg_notify('x')\n return new; end",
        "begin /* notify x; */ return new; end",
        "begin raise notice 'pg_notify(1)'; return new; end",
        "begin if new.http_status = 200 then return new; end if; return new; end",
        "begin if new.a = 1 and new.b <> 2 then raise exception 'no'; end if; return new; end",
        "declare notify text; begin select 1 into notify; return new; end",
    ] {
        assert_eq!(plpgsql(body), Effects::default(), "{body}");
    }
}

#[test]
fn columns_that_are_rewritten() {
    for (body, columns) in [
        (
            "begin new.updated_at = now(); return new; end",
            vec!["updated_at"],
        ),
        (
            "begin NEW.\"Updated\" := now(); return NEW; end",
            vec!["Updated"],
        ),
        (
            "begin if new.a is null then new.a := 1; else new.b = 2; end if; return new; end",
            vec!["a", "b"],
        ),
        (
            "begin select x into new.c from s; return new; end",
            vec!["c"],
        ),
        ("begin new := f(new); return new; end", vec!["*"]),
        (
            "declare r purchases; begin r := new; return r; end",
            vec!["*"],
        ),
    ] {
        assert_eq!(names(&plpgsql(body).rewrites), columns, "{body}");
    }
    let stamp = of("c", "extensions.moddatetime", "moddatetime", "changed_at");
    assert_eq!(names(&stamp.rewrites), ["changed_at"]);
    let own = of(
        "sql",
        "",
        "create trigger t after update on purchases begin update purchases set a = 1, b = f(2, 3) where id = new.id; end",
        "",
    );
    assert_eq!(names(&own.rewrites), ["a", "b"]);
}

#[test]
fn tables_that_are_written_and_rows_that_vanish() {
    let found = plpgsql(
        "begin insert into audit.log values (1); update totals set n = n + 1; delete from only_here; \
         perform 1 from locked for update; insert into a values (1) on conflict do update set n = 1; return null; end",
    );
    assert_eq!(
        names(&found.writes),
        ["a", "audit.log", "only_here", "totals"]
    );
    assert!(found.drops && found.outside.is_empty() && found.rewrites.is_empty());
    assert_eq!(
        of("plpython3u", "public.f", "", "").opaque.as_deref(),
        Some("f")
    );
}
