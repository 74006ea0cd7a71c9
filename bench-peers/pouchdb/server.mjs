// The centre of the PouchDB measurement: express-pouchdb on loopback, LevelDB below. It counts what passes.
import express from 'express';
import expressPouchDb from 'express-pouchdb';
import PouchDB from 'pouchdb-node';
import { people, pages } from './data.mjs';

const [data, folder] = process.argv.slice(2);
const Kept = PouchDB.defaults({ prefix: `${folder}/server-` });
const town = new Kept('town');
for (const page of pages(people(data), 1000)) await town.bulkDocs(page);

const app = express();
app.use('/', expressPouchDb(Kept, { mode: 'minimumForPouchDB', inMemoryConfig: true }));
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
// A connection may stay as long as the measurement lasts.
server.keepAliveTimeout = 0;
const sockets = new Set();
let requests = 0;
server.on('connection', (socket) => sockets.add(socket));
server.on('request', () => { requests += 1; });

process.on('disconnect', () => process.exit());
process.on('message', () => {
  let [up, down] = [0, 0];
  for (const socket of sockets) {
    up += socket.bytesRead;
    down += socket.bytesWritten;
  }
  process.send({ up, down, requests });
});
