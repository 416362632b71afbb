import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Batch, Cursor, Json } from '../../../adapters/contract.ts'
import { adapter } from '../../../adapters/file-drop/adapter.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'
import type { Folder } from './folders.ts'
import { openTestFolder } from './folders.ts'

const NEVER = new AbortController().signal
const utf8 = (text: string) => new TextEncoder().encode(text)

let folder: Folder
let lane: { cursor: Cursor | null; marks: Map<string, Json> }

beforeEach(async () => {
  folder = await openTestFolder()
  lane = { cursor: null, marks: new Map() }
})
afterEach(() => folder.close())

const FEED = {
  files: '*.csv',
  format: { kind: 'csv' },
  content: 'records',
  finished: { by: 'rename' },
  cursor: { strategy: 'files' },
}

async function open(feed: object = FEED, batchRecordsMax = 100) {
  const { context, logged } = createSurroundings({ batchRecordsMax, marks: lane.marks })
  const feeds = { drop: adapter.feed.parse(feed) }
  return { session: adapter.session(await folder.transport(), feeds, context), logged }
}

/** Polls as a lane does: what is taken is durable. */
async function poll(feed: object = FEED, options: Readonly<{ batches?: number; max?: number }> = {}) {
  const { session } = await open(feed, options.max)
  const batches: Batch[] = []
  for await (const batch of session.poll('drop', lane.cursor, NEVER)) {
    batches.push(batch)
    lane.cursor = batch.next
    for (const { key, value } of batch.marks ?? []) lane.marks.set(`drop/${key}`, value)
    if (batches.length === options.batches) break
  }
  const rows = batches.flatMap(({ records }) => records.map(({ data }) => Object.values(data).join('|')))
  const unreadable = batches.flatMap((batch) => batch.unreadable)
  return { batches, rows, unreadable }
}

async function settle(feed: object = FEED): Promise<void> {
  const { session } = await open(feed)
  if (lane.cursor !== null) await session.settle?.('drop', lane.cursor, NEVER)
}

describe('a dropped file', () => {
  test('is not read while it has a temporary name', async () => {
    for (const name of ['.a.csv', 'a.csv.tmp', 'a.csv.part', 'a.csv.filepart', '~a.csv'])
      await writeFile(join(folder.path, name), 'x\n1\n')
    expect((await poll({ ...FEED, files: '*' })).rows).toEqual([])
  })

  test('is known by its bytes and the number of the record, where the feed has no key', async () => {
    await folder.put('a.csv', utf8('x\n1\nbad,\n2\n'))
    const { batches } = await poll()
    const hash = createHash('sha256').update('x\n1\nbad,\n2\n').digest('hex')
    expect(batches[0]?.records.map(({ key }) => key)).toEqual([`${hash}/1`, `${hash}/3`])
    expect(batches[0]?.unreadable.map(({ where }) => where)).toEqual(['a.csv line 3'])
  })

  test('is not delivered again when the same bytes come again, but moved aside', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    expect((await poll()).rows).toEqual(['1'])
    await settle()
    await folder.put('a.csv', utf8('x\n1\n'))
    await utimes(join(folder.path, 'a.csv'), 1_700_000_000, 1_700_000_000)
    expect((await poll()).rows).toEqual([])
    await settle()
    expect(await folder.names()).toEqual([])
    const archived = await readdir(join(folder.path, 'archive/2026/03'))
    expect(archived.map((name) => name.replace(/[0-9a-f]{12}$/, 'HASH')).sort()).toEqual([
      'a.csv',
      'a.csv.HASH',
    ])
  })

  test('is a new version under the same name when its bytes are new', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    await poll()
    await folder.put('a.csv', utf8('x\n2\n'))
    expect((await poll()).rows).toEqual(['2'])
    await settle()
    expect(await folder.names()).toEqual([])
    await folder.put('a.csv', utf8('x\n1\n'))
    expect((await poll()).rows).toEqual(['1'])
  })

  test('is a new version even with the size and the time of the one before', async () => {
    const path = join(folder.path, 'a.csv')
    for (const row of ['1', '2']) {
      await folder.put('a.csv', utf8(`x\n${row}\n`))
      await utimes(path, 1_700_000_000, 1_700_000_000)
      expect((await poll()).rows).toEqual([row])
    }
  })

  test('goes on in the middle after a crash', async () => {
    await folder.put('a.csv', utf8('x\n1\n2\n3\n4\n5\n'))
    expect((await poll(FEED, { max: 2, batches: 1 })).rows).toEqual(['1', '2'])
    expect((await poll(FEED, { max: 2 })).rows).toEqual(['3', '4', '5'])
  })

  test('is read from its beginning when another one took its name in the middle', async () => {
    await folder.put('a.csv', utf8('x\n1\n2\n3\n'))
    await poll(FEED, { max: 2, batches: 1 })
    await folder.put('a.csv', utf8('x\n7\n8\n9\n'))
    expect((await poll(FEED, { max: 2 })).rows).toEqual(['7', '8', '9'])
  })

  test('stops the feed when it is taken away in the middle', async () => {
    await folder.put('a.csv', utf8('x\n1\n2\n3\n'))
    await poll(FEED, { max: 2, batches: 1 })
    await mkdir(join(folder.path, 'elsewhere'))
    await rename(join(folder.path, 'a.csv'), join(folder.path, 'elsewhere/a.csv'))
    await expect(poll(FEED, { max: 2 })).rejects.toMatchObject({ code: 'ADAPTER_CURSOR_STALE' })
    await rename(join(folder.path, 'elsewhere/a.csv'), join(folder.path, 'a.csv'))
    expect((await poll(FEED, { max: 2 })).rows).toEqual(['3'])
  })

  test('is moved to error with its reason when it is no table at all', async () => {
    await folder.put('a.csv', utf8('x,x\n1,2\n'))
    await folder.put('b.csv', utf8('y\n3\n'))
    const { rows, unreadable } = await poll()
    expect(rows).toEqual(['3'])
    expect(unreadable).toMatchObject([{ where: 'a.csv', reason: 'its header names x twice' }])
    await settle()
    expect(await readFile(join(folder.path, 'error/a.csv.reason'), 'utf8')).toBe('its header names x twice\n')
    expect(await readdir(join(folder.path, 'error'))).toEqual(['a.csv', 'a.csv.reason'])
  })

  test('is no table without a column of the key', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    const { unreadable } = await poll({ ...FEED, key: ['item'] })
    expect(unreadable[0]?.reason).toBe('its header has no column item, which is part of the key')
  })

  test('is never followed through a link, and that is said once', async () => {
    await writeFile(join(folder.path, 'secret.txt'), 'x\n1\n')
    await symlink(join(folder.path, 'secret.txt'), join(folder.path, 'a.csv'))
    const first = await poll()
    expect(first.rows).toEqual([])
    expect(first.unreadable).toMatchObject([{ where: 'a.csv' }])
    expect((await poll()).batches).toEqual([])
    await settle()
    expect((await stat(join(folder.path, 'a.csv'))).isFile()).toBe(true)
  })

  test('is left when another one took its name before it was moved aside', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    await poll()
    await folder.put('a.csv', utf8('x\n2\n'))
    await settle()
    expect(await folder.names()).toEqual(['a.csv'])
    expect((await poll()).rows).toEqual(['2'])
  })
})

describe('settling', () => {
  test('moves what lies before the cursor, also where more has been read', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    await folder.put('b.csv', utf8('x\n2\n'))
    const { batches } = await poll()
    lane.cursor = batches[0]?.next ?? null
    await settle()
    expect(await folder.names()).toEqual(['b.csv'])
  })

  test('overwrites nothing and moves no other file than was read', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    const transport = await folder.transport()
    const [listed] = await transport.list((name) => name === 'a.csv', NEVER)
    if (listed === undefined) throw new Error('a.csv is not listed')
    await transport.write('archive/a.csv', 'there before', NEVER)
    expect(await transport.move(listed, 'archive/a.csv', NEVER)).toBe('taken')
    await folder.put('a.csv', utf8('x\n2\n'))
    expect(await transport.move(listed, 'archive/b.csv', NEVER)).toBe('changed')
    await rename(join(folder.path, 'a.csv'), join(folder.path, 'c.txt'))
    expect(await transport.move(listed, 'archive/b.csv', NEVER)).toBe('gone')
    expect(await readFile(join(folder.path, 'archive/a.csv'), 'utf8')).toBe('there before')
    expect(await readdir(join(folder.path, 'archive'))).toEqual(['a.csv'])
  })
})

describe('a file that changes while it is read', () => {
  test('breaks the poll off, and is a new file for the next one', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    const transport = await folder.transport()
    let reads = 0
    const changing = {
      ...transport,
      async *read(name: string, signal: AbortSignal) {
        reads += 1
        if (reads === 2) await writeFile(join(folder.path, 'a.csv'), 'x\n1\n2\n')
        yield* transport.read(name, signal)
      },
    }
    const { context } = createSurroundings({ batchRecordsMax: 100, marks: lane.marks })
    const session = adapter.session(changing, { drop: adapter.feed.parse(FEED) }, context)
    const first = session.poll('drop', null, NEVER)[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'ADAPTER_UNREACHABLE', remedy: 'retry' })
    expect((await poll()).rows).toEqual(['1', '2'])
  })
})

describe('a file that is written slowly', () => {
  const stable = { ...FEED, finished: { by: 'stable', polls: '3', age: '30s' } }
  // The clock of the kit stands at 2026-03-02 08:00 UTC.
  const at = (seconds: number) => Date.UTC(2026, 2, 2, 8) / 1000 - seconds

  test('is read when it has looked the same in so many polls, also across sessions', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    await utimes(join(folder.path, 'a.csv'), at(60), at(60))
    expect((await poll(stable)).rows).toEqual([])
    expect((await poll(stable)).rows).toEqual([])
    await writeFile(join(folder.path, 'a.csv'), 'x\n1\n2\n')
    await utimes(join(folder.path, 'a.csv'), at(40), at(40))
    expect((await poll(stable)).rows).toEqual([])
    expect((await poll(stable)).rows).toEqual([])
    expect((await poll(stable)).rows).toEqual(['1', '2'])
    expect((await poll(stable)).batches).toEqual([])
  })

  test('is not read while it is younger than its age', async () => {
    await folder.put('a.csv', utf8('x\n1\n'))
    await utimes(join(folder.path, 'a.csv'), at(5), at(5))
    for (let polls = 0; polls < 5; polls += 1) expect((await poll(stable)).rows).toEqual([])
    expect((await poll(stable)).batches).toEqual([])
  })
})

describe('a marker', () => {
  const marked = { ...FEED, finished: { by: 'marker', suffix: '.ok' } }

  test('of the file before does not vouch for the one that has its name now', async () => {
    await folder.put('a.csv.ok', utf8(''))
    await utimes(join(folder.path, 'a.csv.ok'), 1_700_000_000, 1_700_000_000)
    await folder.put('a.csv', utf8('x\n1\n'))
    expect((await poll(marked)).rows).toEqual([])
    await folder.put('a.csv.ok', utf8(''))
    expect((await poll(marked)).rows).toEqual(['1'])
    await settle(marked)
    expect(await folder.names()).toEqual([])
  })
})

describe('a file that says all', () => {
  const full = { ...FEED, key: ['k'], content: 'full' }

  test('proves no deletion when a record in it cannot be read', async () => {
    await folder.put('a.csv', utf8('k,v\na,1\nb\n'))
    const { batches } = await poll(full)
    expect(batches.map(({ pass }) => pass)).toMatchObject([{ begins: true, ends: false }])
  })

  test('proves it when it is empty but for its header', async () => {
    await folder.put('a.csv', utf8('k,v\n'))
    const { batches } = await poll(full)
    expect(batches).toMatchObject([{ records: [], pass: { begins: true, ends: true } }])
  })

  test('remembers in the middle that a record could not be read', async () => {
    await folder.put('a.csv', utf8('k,v\nbad\nb,1\nc,1\nd,1\n'))
    await poll(full, { max: 2, batches: 1 })
    const { batches } = await poll(full, { max: 2 })
    expect(batches.at(-1)?.pass).toMatchObject({ begins: false, ends: false })
  })

  test('hands over records without a key', async () => {
    await folder.put('a.csv', utf8('k,v\n,1\nb,2\n'))
    const { rows, unreadable } = await poll(full)
    expect(rows).toEqual(['b|2'])
    expect(unreadable).toMatchObject([{ reason: 'has no key: k is empty', where: 'a.csv line 2' }])
  })
})

describe('the settings of a feed', () => {
  test.each(['partial', 'full'])('need a key where content is %s', (content) => {
    const parsed = adapter.feed.parse({ ...FEED, content })
    expect(adapter.feedFaults(parsed)).toEqual([
      { path: ['key'], message: `content ${content} needs a key, by which a record is known again` },
    ])
  })

  test.each(['../*.csv', '/etc/*', 'a\\b'])('refuse files outside the folder: %s', (files) => {
    expect(adapter.feed.safeParse({ ...FEED, files }).success).toBe(false)
  })

  test('take a pattern for a pattern and nothing more', async () => {
    await folder.put('a.b[1].csv', utf8('x\n1\n'))
    await folder.put('aXb[1].csv', utf8('x\n2\n'))
    expect((await poll({ ...FEED, files: 'a.b[?].csv' })).rows).toEqual(['1'])
  })
})
