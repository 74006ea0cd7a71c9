// PouchDB on the same data: `bench.mjs DATA FOLDER` prints what it measured as the Rust side reads it.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import PouchDB from 'pouchdb-node';
import { edits, pages, people } from './data.mjs';

const TIMES = 100;
const [data, folder] = process.argv.slice(2);
const server = fork(new URL('./server.mjs', import.meta.url), [data, folder]);
const [{ port }] = await once(server, 'message');
const remote = new PouchDB(`http://127.0.0.1:${port}/town`);
const Local = PouchDB.defaults({ prefix: `${folder}/local-` });

async function counts() {
  server.send('counts');
  return (await once(server, 'message'))[0];
}

async function counted(work) {
  const before = await counts();
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const after = await counts();
  return {
    ms,
    up: after.up - before.up,
    down: after.down - before.down,
    messages: after.requests - before.requests,
  };
}

function latency(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (percent) => sorted[Math.ceil((sorted.length * percent) / 100) - 1];
  return { p50: at(50), p99: at(99) };
}

// Filled is what can say how many have a text in their names.
async function fill(name, options) {
  const db = new Local(name);
  const filled = await counted(async () => {
    await db.replicate.from(remote, options);
    const { rows } = await db.allDocs({ include_docs: true });
    const found = rows.filter(({ doc }) => doc.name?.includes('王')).length;
    if (rows.length < people(data).length || found === 0) throw new Error('the fill is not whole');
  });
  return [db, { ms: filled.ms, wire: filled.up + filled.down, requests: filled.messages }];
}

async function rounds(db, before) {
  const times = [];
  let last;
  for (let n = 0; n < TIMES; n += 1) {
    await before(n);
    last = await counted(() => PouchDB.sync(db, remote));
    times.push(last.ms);
  }
  return { ...latency(times), up: last.up, down: last.down, messages: last.messages };
}

const first = people(data)[0]._id;
async function edited(db, n) {
  const doc = await db.get(first);
  doc.phone = `1380000${String(n).padStart(4, '0')}`;
  return doc;
}

// Each writer's edits are a branch of each record: that is how PouchDB keeps what is concurrent.
async function apply(db) {
  const revision = (...of) => createHash('md5').update(of.join(' ')).digest('hex');
  const branches = new Map();
  const bases = new Map((await db.allDocs({ include_docs: true })).rows.map(({ doc }) => [doc._id, doc]));
  const all = edits(data).map(({ writer, record, field, value }) => {
    const key = `${writer} ${record}`;
    const base = bases.get(record);
    const [start, id] = base._rev.split('-');
    const branch = branches.get(key) ?? { doc: base, ids: [id], start: Number(start) };
    const ids = [revision(key, branch.ids.length), ...branch.ids];
    const doc = { ...branch.doc, [field]: value, _rev: `${branch.start + 1}-${ids[0]}` };
    doc._revisions = { start: branch.start + 1, ids };
    branches.set(key, { doc, ids, start: branch.start + 1 });
    return doc;
  });
  const start = performance.now();
  for (const page of pages(all, 1000)) await db.bulkDocs(page, { new_edits: false });
  const seconds = (performance.now() - start) / 1000;
  const one = await db.get(edits(data)[0].record, { conflicts: true });
  if (one._conflicts?.length !== 4) throw new Error('the concurrent edits are not there');
  return all.length / seconds;
}

const [hundred, small] = await fill('default', {});
await hundred.destroy();
const [db, large] = await fill('large', { batch_size: 1000 });
await PouchDB.sync(db, remote);
const sync = await rounds(db, async (n) => db.put(await edited(db, n)));
const idle = await rounds(db, async () => {});
// In turns with a bare fdatasync, which PouchDB itself does without.
const [saves, syncs] = [[], []];
const floor = openSync(`${folder}/floor.log`, 'w');
for (let n = 0; n < TIMES; n += 1) {
  const doc = await edited(db, n);
  const start = performance.now();
  await db.put(doc);
  saves.push(performance.now() - start);
  const bare = performance.now();
  writeSync(floor, Buffer.alloc(4096, 7));
  fdatasyncSync(floor);
  syncs.push(performance.now() - bare);
}
const rate = await apply(db);
const version = JSON.parse(readFileSync(new URL('./node_modules/pouchdb-node/package.json', import.meta.url))).version;
console.log(JSON.stringify({
  version,
  fill_http: large,
  fill_small: small,
  sync,
  idle,
  save: latency(saves),
  fdatasync: latency(syncs),
  stored: rate,
}));
server.disconnect();
