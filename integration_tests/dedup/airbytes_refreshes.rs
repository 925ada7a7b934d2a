//! The cases of `BasicFunctionalityIntegrationTest` in which a refresh replaces rows that have keys, by their names there.

use super::people::{at, gone, named, people, person, sandbox, seen};
use super::streams::{Stream, layouts, sorted};

#[test]
fn test_truncate_refresh() {
    for layout in layouts("classic") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 9, "Ann"), person(2, 1, 9, "Ben")]));
        // Older rows than those that are there.
        stream
            .refresh(42)
            .load(&sandbox, &at(2000, [person(1, 1, 2, "Anna"), person(1, 1, 1, "Annie"), gone(3, 1, 1)]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna")]), "{layout}");
        let next = Stream { generation: (42, 0), ..stream };
        next.load(&sandbox, &at(3000, [person(1, 1, 1, "late"), person(2, 1, 1, "Bo")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna"), named(2, 1, "Bo")]), "{layout}");
    }
}

#[test]
fn test_truncate_refresh_change_sync_mode() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout, "Hard delete");
        let (stream, both) = (people(), || at(1000, [person(1, 1, 2, "Ann"), person(1, 1, 1, "Annie")]));
        stream.load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann")]), "{layout}");
        stream.mode("append").refresh(42).load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(1, 1, "Annie")]), "{layout}");
        stream.refresh(43).load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann")]), "{layout}");
        stream.mode("overwrite").refresh(44).load(&sandbox, &both());
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(1, 1, "Annie")]), "{layout}");
        let next = Stream { generation: (44, 0), ..stream };
        next.load(&sandbox, &at(2000, [person(2, 1, 1, "Ben")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(2, 1, "Ben")]), "{layout}: the newest of each");
    }
}

#[test]
fn test_truncate_refresh_no_data() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 1, "Ann")]));
        sandbox.load(&stream.refresh(42).catalog(), stream.complete());
        assert_eq!(seen(&sandbox), sorted([]), "{layout}");
        let next = Stream { generation: (42, 0), ..stream };
        next.load(&sandbox, &at(2000, [person(1, 1, 1, "Ann"), gone(1, 1, 2), person(2, 1, 1, "Ben")]));
        assert_eq!(seen(&sandbox), sorted([named(2, 1, "Ben")]), "{layout}");
    }
}

/// No STATE is acknowledged of a refresh before its COMPLETE, so the source begins again.
#[test]
fn test_interrupted_truncate_with_prior_data() {
    for layout in layouts("columns") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 9, "Ann"), person(2, 1, 9, "Ben")]));
        let run = stream.refresh(42).break_off(&sandbox, &at(2000, [person(1, 1, 1, "Anna")]));
        assert_eq!((run.code, run.states().len()), (Some(1), 0), "{layout}: {run:#?}");
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Ann"), named(2, 1, "Ben")]), "{layout}: as it was");
        let again = at(3000, [person(1, 1, 1, "Anna"), person(3, 1, 1, "Cleo"), person(3, 1, 2, "Clea")]);
        stream.refresh(42).load(&sandbox, &again);
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna"), named(3, 1, "Clea")]), "{layout}");
        // One more attempt of the same generation, of a platform that has not heard of the end of the last one.
        stream.refresh(42).load(&sandbox, &again);
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna"), named(3, 1, "Clea")]), "{layout}");
    }
}

#[test]
fn test_interrupted_truncate_without_prior_data() {
    for layout in layouts("raw") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people().refresh(42);
        let run = stream.break_off(&sandbox, &at(1000, [person(1, 1, 1, "Ann"), person(2, 1, 1, "Ben")]));
        assert_eq!((run.code, run.states().len()), (Some(1), 0), "{layout}: {run:#?}");
        assert_eq!(seen(&sandbox), sorted([]), "{layout}");
        stream.load(&sandbox, &at(2000, [person(1, 1, 1, "Ann"), person(1, 1, 2, "Anna")]));
        assert_eq!(seen(&sandbox), sorted([named(1, 1, "Anna")]), "{layout}");
    }
}

#[test]
fn resume_after_cancelled_truncate() {
    for layout in layouts("classic") {
        let sandbox = sandbox(layout, "Hard delete");
        let stream = people();
        stream.load(&sandbox, &at(1000, [person(1, 1, 1, "Ann"), person(2, 1, 5, "Ben")]));
        let run = stream.refresh(42).break_off(&sandbox, &at(2000, [person(1, 1, 2, "never acknowledged")]));
        assert_eq!((run.code, run.states().len()), (Some(1), 0), "{layout}: {run:#?}");
        let next = Stream { generation: (42, 0), ..stream };
        next.load(&sandbox, &at(3000, [person(1, 1, 3, "Anna"), person(2, 1, 4, "late"), person(3, 1, 1, "Cleo")]));
        let expected = [named(1, 1, "Anna"), named(2, 1, "Ben"), named(3, 1, "Cleo")];
        assert_eq!(seen(&sandbox), sorted(expected), "{layout}: old rows and new ones");
    }
}
