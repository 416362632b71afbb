import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { createEmbeddedLog } from '../../../gateway/log/embedded.ts'
import { hasLostCommits } from '../../../gateway/log/embedded-wal.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { ORDERS } from '../../kit/log-contract.ts'
import { commit, NEVER, order } from '../../kit/log-contract-steps.ts'

const FRAME_BYTES = 24 + 4096
const NO_INDEX = '/no/index'

test('finds a write-ahead log whole after any cut, as a crash leaves it', () => {
  const wal = writtenWal(30)
  expect(hasLostCommits(wal, NO_INDEX)).toBe(false)
  const bytes = readFileSync(wal)
  for (let length = bytes.length; length > 0; length -= 1_777) {
    truncateSync(wal, length)
    expect([length, hasLostCommits(wal, NO_INDEX)]).toEqual([length, false])
  }
})

test('finds a torn newest transaction to be what a crash leaves', () => {
  const wal = writtenWal(10)
  spoil(wal, readFileSync(wal).length - FRAME_BYTES + 200)
  expect(hasLostCommits(wal, NO_INDEX)).toBe(false)
})

test('finds a damaged byte anywhere before that, in pages, sums, salts and the header [F19]', () => {
  const wal = writtenWal(10)
  const whole = readFileSync(wal)
  const middle = 32 + 5 * FRAME_BYTES
  for (const place of [20, 25, middle + 4, middle + 9, middle + 17, middle + 24, middle + 4_000]) {
    writeFileSync(wal, whole)
    spoil(wal, place)
    expect([place, hasLostCommits(wal, NO_INDEX)]).toEqual([place, true])
  }
})

test('ends at the frames that an earlier round left behind', () => {
  const wal = writtenWal(30, (db) => {
    db.exec('PRAGMA wal_checkpoint(RESTART)')
    db.exec('INSERT INTO t VALUES (1)')
  })
  expect(readFileSync(wal).length).toBeGreaterThan(20 * FRAME_BYTES)
  expect(hasLostCommits(wal, NO_INDEX)).toBe(false)
})

test('keeps a damaged log from being opened as a shorter one [P10 F19]', async () => {
  const base = freshBase()
  const options = { runtime: createRuntime(), partitions: 3, diskMaxBytes: 50_000_000 }
  const live = join(base, 'live')
  const log = await createEmbeddedLog({ ...options, folder: live })
  await log.ensure([ORDERS], NEVER)
  const writer = await log.writer('w', NEVER)
  for (let round = 0; round < 5; round += 1) await commit(writer, [order('a', String(round))])
  const names = ['log.sqlite', 'log.sqlite-wal', 'holder.json']
  const copies = ['whole', 'damaged'].map((name) => join(base, name))
  for (const folder of copies) await (await createEmbeddedLog({ ...options, folder })).close()
  for (const folder of copies) for (const name of names) copyFileSync(join(live, name), join(folder, name))
  await log.close()
  const [whole = '', damaged = ''] = copies
  await (await createEmbeddedLog({ ...options, folder: whole })).close()
  spoil(join(damaged, 'log.sqlite-wal'), 32 + 3 * FRAME_BYTES + 100)
  await expect(createEmbeddedLog({ ...options, folder: damaged })).rejects.toMatchObject({
    code: 'LOG_CORRUPT',
    message: expect.stringMatching(
      /-wal is damaged: transactions that were committed are gone from it; restore/,
    ),
  })
})

/** A copy of the write-ahead log of a database that is still open, with so many commits. */
function writtenWal(commits: number, more: (db: DatabaseSync) => void = () => undefined): string {
  const base = freshBase()
  const db = new DatabaseSync(join(base, 'db'))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (n)')
  for (let number = 0; number < commits; number += 1) db.prepare('INSERT INTO t VALUES (?)').run(number)
  more(db)
  const copy = join(base, 'copy-wal')
  copyFileSync(join(base, 'db-wal'), copy)
  db.close()
  return copy
}

function spoil(path: string, place: number): void {
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(place) ^ 0x10, place)
  writeFileSync(path, bytes)
}

function freshBase(): string {
  const base = mkdtempSync(join(tmpdir(), 'erpgw-log-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  return base
}
