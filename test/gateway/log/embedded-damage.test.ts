import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { checkFolder } from '../../../gateway/log/embedded-folder.ts'
import { openReading, type Reading } from '../../../gateway/log/embedded-reading.ts'
import { openStore, type Store } from '../../../gateway/log/embedded-store.ts'
import { pack } from '../../../gateway/log/embedded-wire.ts'
import { LogError } from '../../../gateway/log/errors.ts'
import { NO_FAILPOINTS } from '../../../gateway/runtime.ts'
import { ORDERS, REJECTS } from '../../kit/log-contract.ts'
import { NEVER } from '../../kit/log-contract-steps.ts'
import { seededRandom } from '../../kit/random.ts'

const PARTITIONS = 2
const FILES = ['log.sqlite', 'log.sqlite-wal', 'log.sqlite-shm', 'holder.json']
const DAMAGED = ['LOG_CORRUPT', 'LOG_FORMAT_UNKNOWN']

test('a byte flipped in a closed log is found, or changes nothing that is read [P10 F19]', async () => {
  const { folder, content } = await writtenLog()
  const outcomes = await flipEach(folder, ['log.sqlite'], 80, content)
  expect(outcomes.wrong).toEqual([])
  expect(outcomes.found).toBeGreaterThan(30)
}, 60_000)

test('a byte flipped in the log of a killed process is found, or changes nothing that is read [P10 F19]', async () => {
  const folder = await killedLog()
  const content = await contentOf(folder)
  const outcomes = await flipEach(folder, FILES, 60, content)
  expect(outcomes.wrong).toEqual([])
  expect(outcomes.found).toBeGreaterThan(10)
}, 60_000)

test('the newest transaction, damaged after a kill, is missed and not taken for a torn one [P10 F19]', async () => {
  const folder = await killedLog()
  const wal = join(folder, 'log.sqlite-wal')
  const bytes = readFileSync(wal)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 100) ^ 1, bytes.length - 100)
  writeFileSync(wal, bytes)
  // Whoever opens it first would replay what is left, and the next would find nothing wrong.
  for (const opening of [() => contentOf(folder), () => withStore(folder, () => undefined)]) {
    await expect(async () => await opening()).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      message: expect.stringMatching(/-wal is damaged: transactions that were committed are gone/),
    })
  }
})

const DAMAGES: Readonly<Record<string, readonly [statement: string, complaint: RegExp]>> = {
  'a value': [`UPDATE records SET value = x'00' WHERE record = 40`, /offset 40 of .* its checksum/],
  'a key': [`UPDATE records SET key = 'order-1' WHERE record = 40`, /offset 40 of .* its checksum/],
  'a time': ['UPDATE records SET time = time + 1 WHERE record = 40', /offset 40 of .* its checksum/],
  'a header': [`UPDATE records SET headers = '{}' WHERE record = 40`, /offset 40 of .* its checksum/],
  'a place': ['UPDATE records SET record = 1099511627776 + 500 WHERE record = 40', /should end at 100 /],
  'a missing record': ['DELETE FROM records WHERE record = 40', /gone between offsets 40 and 41/],
  'the newest records': ['DELETE FROM records WHERE record BETWEEN 90 AND 9999', /should end at 100 /],
  'all records': ['DELETE FROM records', /should end at/],
  'what retention noted': ['DELETE FROM removed', /are gone between offsets 0 and /],
  'an end': ['UPDATE parts SET next = 1 WHERE part = 0', /table parts/],
  'a partition': ['DELETE FROM parts WHERE part = 3', /it has 3 partitions, its topics 4/],
  'a topic': [`DELETE FROM topics WHERE name = '${ORDERS.name}'`, /topic before|partitions/],
  'a setting of a topic': ['UPDATE topics SET keep_ms = 1', /table topics/],
  'a position': ['UPDATE positions SET position = 3', /table positions/],
  'all positions': ['DELETE FROM positions', /0 positions of groups and not 1/],
  'the epoch': [`DELETE FROM state WHERE name = 'epoch'`, /"epoch" of its table state is gone/],
  'a table': ['DROP TABLE positions', /list of tables/],
}

test('what a row says, and whether it is there, is found damaged and named with its place [P10 F19]', async () => {
  for (const [what, [statement, complaint]] of Object.entries(DAMAGES)) {
    const { folder } = await writtenLog()
    const db = new DatabaseSync(join(folder, 'log.sqlite'))
    db.exec(statement)
    db.close()
    const found = await contentOf(folder).catch((error: unknown) => error)
    const message = expect.stringMatching(/log\.sqlite is damaged: .*; restore it from a backup/)
    expect(found, what).toMatchObject({ code: 'LOG_CORRUPT', message })
    expect(String(found), what).toMatch(complaint)
  }
})

test('a header that asks for a version unknown to SQLite is damage, not a lack of rights [P10 F19]', async () => {
  const { folder } = await writtenLog()
  const file = join(folder, 'log.sqlite')
  const bytes = readFileSync(file)
  bytes.writeUInt8(bytes.readUInt8(18) ^ 0x10, 18)
  writeFileSync(file, bytes)
  const opening = async () => withStore(folder, () => undefined)
  await expect(opening).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
})

test('retention takes nothing away by a damaged key or time, and stops the log [P10 F19]', async () => {
  for (const [part, change] of [
    [0, `UPDATE records SET key = 'order-1' WHERE record = 60`],
    [
      2,
      'UPDATE records SET time = 1 WHERE record = (SELECT min(record) FROM records WHERE record >= 2 << 40)',
    ],
  ] as const) {
    const { folder } = await writtenLog()
    const db = new DatabaseSync(join(folder, 'log.sqlite'))
    db.exec(change)
    const before = db.prepare('SELECT count(*) AS n FROM records').get()
    withStore(folder, (store) => {
      expect(store.run([{ kind: 'prune', id: 1, part, before: 3_500 }])).toMatchObject([
        { kind: 'failed', code: 'LOG_STOPPED', message: expect.stringMatching(/does not fit its checksum/) },
      ])
    })
    expect(db.prepare('SELECT count(*) AS n FROM records').get()).toEqual(before)
    db.close()
  }
})

/** Two topics, the second by age; of both retention has taken something away, and left holes in the first. */
async function writtenLog(): Promise<Readonly<{ folder: string; content: unknown }>> {
  const folder = freshFolder()
  withStore(folder, (store) => fill(store))
  return { folder, content: await contentOf(folder) }
}

function fill(store: Store): void {
  const specs = [ORDERS, REJECTS].map((spec, place) => ({ ...spec, id: `id-${place}` }))
  store.run([
    { kind: 'ensure', id: 1, specs, partitions: PARTITIONS },
    { kind: 'writer', id: 2, identity: 'w' },
  ])
  for (const time of [1_000, 2_000, 3_000, 4_000]) append(store, time)
  for (const part of [0, 1, 2, 3]) store.run([{ kind: 'prune', id: 4, part, before: 2_500 }])
}

function append(store: Store, time: number): void {
  const records = Array.from({ length: 100 }, (_, place) => ({
    part: place % 4,
    // In the first topic every third key comes back; the rest stays once.
    key: Buffer.from(place % 3 === 0 ? `order-${place}` : `order-${place}-${time}`),
    headers: Buffer.from('{"content-type":"application/json"}'),
    value: Buffer.from(`${time}/${place} `.repeat(place)),
  }))
  const positions = [{ group: 'g', part: 0, position: time }]
  const results = store.run([{ kind: 'transact', id: 3, writer: 1, time, packed: pack(records), positions }])
  expect(results).toMatchObject([{ kind: 'committed' }])
}

/** What a kill leaves behind: a copy of the files while they are open, with some transactions in the write-ahead log. */
async function killedLog(): Promise<string> {
  const { folder: live } = await writtenLog()
  const folder = freshFolder()
  withStore(folder, () => undefined)
  const store = openStore(optionsOf(live))
  store.run([{ kind: 'writer', id: 1, identity: 'w' }])
  for (const time of [5_000, 6_000, 7_000]) append(store, time)
  for (const name of FILES) copyFileSync(join(live, name), join(folder, name))
  store.close()
  return folder
}

type Outcomes = { found: number; harmless: number; wrong: string[] }

/** Flips a byte at each of so many places, opens the log for writing, appends, and reads all. */
async function flipEach(
  folder: string,
  names: readonly string[],
  places: number,
  content: unknown,
): Promise<Outcomes> {
  const random = seededRandom('damage')
  const whole = new Map(FILES.flatMap((name) => read(join(folder, name)).map((bytes) => [name, bytes])))
  const restore = () => {
    for (const name of FILES) rmSync(join(folder, name), { force: true })
    for (const [name, bytes] of whole) writeFileSync(join(folder, name), bytes, { mode: 0o600 })
  }
  const outcomes: Outcomes = { found: 0, harmless: 0, wrong: [] }
  for (let round = 0; round < places; round += 1) {
    restore()
    const name = random.pick(names)
    const bytes = Buffer.from(whole.get(name) ?? [])
    // Every fourth in the first 120 bytes: headers, on which all else hangs.
    const place = random.below(round % 4 === 0 ? Math.min(120, bytes.length) : bytes.length)
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << random.below(8)), place)
    writeFileSync(join(folder, name), bytes)
    try {
      withStore(folder, (store) => store.run([{ kind: 'writer', id: 1, identity: 'w' }]))
      expect(await contentOf(folder)).toEqual(content)
      outcomes.harmless += 1
    } catch (error) {
      if (error instanceof LogError && DAMAGED.includes(error.code)) outcomes.found += 1
      else outcomes.wrong.push(`${name}@${place}: ${error}`)
    }
  }
  restore()
  return outcomes
}

function read(path: string): readonly Buffer[] {
  try {
    return [readFileSync(path)]
  } catch {
    return []
  }
}

/** All that a reader can learn. */
async function contentOf(folder: string): Promise<unknown> {
  const reading = openReading(checkFolder(folder))
  try {
    const topics = reading.topics()
    const partitions = topics.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition })),
    )
    const records = []
    for (const at of partitions) records.push(await recordsOf(reading, at))
    return { topics, records, positions: partitions.map((at) => reading.position('g', at)) }
  } finally {
    reading.close()
  }
}

async function recordsOf(reading: Reading, at: Readonly<{ topic: string; partition: number }>) {
  const records = []
  for await (const chunk of reading.readTo(at, 0, { signal: NEVER })) records.push(...chunk.records)
  return { end: reading.end(at), records }
}

function withStore(folder: string, work: (store: Store) => void): void {
  const store = openStore(optionsOf(folder))
  try {
    work(store)
  } finally {
    store.close()
  }
}

function optionsOf(folder: string) {
  return { folder, diskBytesMax: 50_000_000, failpoints: NO_FAILPOINTS, sinceMs: 0 }
}

function freshFolder(): string {
  const base = mkdtempSync(join(tmpdir(), 'erpgw-log-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  return join(base, 'log')
}
