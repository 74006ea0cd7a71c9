// What the Rust side wrote down: residents and edits, one a line.
import { readFileSync } from 'node:fs';

const lines = (file) => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));

export const people = (folder) => lines(`${folder}/people.ndjson`);
export const edits = (folder) => lines(`${folder}/edits.ndjson`);

export function* pages(list, size) {
  for (let at = 0; at < list.length; at += size) yield list.slice(at, at + size);
}
