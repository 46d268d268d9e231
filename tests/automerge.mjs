// The JavaScript Automerge, as another program that reads and writes our documents.
//
//     node automerge.mjs show FILE PATH...   what it sees: values, history, conflicts at the paths
//     node automerge.mjs make FILE           a document with every kind of value, and a conflict
//
// The package is found in the folder that AUTOMERGE names.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";

const A = createRequire(process.env.AUTOMERGE + "/")("@automerge/automerge");
const [what, file, ...paths] = process.argv.slice(2);

function show() {
    const doc = A.load(new Uint8Array(readFileSync(file)));
    const conflicts = {};
    for (const path of paths) {
        const segments = path.split("/");
        const last = segments.pop();
        const found = A.getConflicts(segments.reduce((at, key) => at[key], doc), last);
        conflicts[path] = found === undefined ? [] : Object.values(found).sort();
    }
    // What it writes again is the same document.
    const again = A.load(A.save(doc));
    if (!A.equals(doc, again)) throw new Error("it does not write what it read");
    const changes = A.getAllChanges(doc).length;
    console.log(JSON.stringify({ value: doc, heads: A.getHeads(doc), changes, conflicts }));
}

function make() {
    let ours = A.from({
        title: "a list of ours",
        done: false,
        nothing: null,
        count: 3,
        ratio: 0.5,
        items: ["one", { two: 2 }, [3, "four"]],
        "a/b~c": "a key like a path",
        hits: new A.Counter(4),
        when: new Date(1700000000000),
        raw: new Uint8Array([1, 2, 255]),
        long: "long ".repeat(5000),
        many: Array.from({ length: 300 }, (_, i) => "an item of some length " + i),
    });
    ours = A.change(ours, (doc) => doc.hits.increment(2));
    let theirs = A.change(A.clone(ours), (doc) => { doc.title = "a list of theirs"; });
    ours = A.change(ours, (doc) => { doc.title = "a list of mine"; });
    writeFileSync(file, A.save(A.merge(ours, theirs)));
}

({ show, make })[what]();
