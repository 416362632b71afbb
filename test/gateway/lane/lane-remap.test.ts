import { describe, expect, test } from 'vitest'
import type { Mapping } from '../../../gateway/mapping/mapping.ts'
import {
  type Bench,
  createBench,
  decision,
  events,
  type LaneOptions,
  marks,
  rejects,
  runOnce,
  story,
  toyMapping,
  verb,
} from './lane-bench.ts'
import { alters, breaksAfter, put, putMany, record, type SessionChange } from './table-source.ts'

/** An edit that marks every amount. */
function edited(version = 'v2', mark = '!'): Mapping {
  return toyMapping(version, (data) => ({ ...data, amount: `${String(data['amount'])}${mark}` }))
}

/** An edit that puts every record under another company, and so under another record key. */
function rekeyed(): Mapping {
  const plain = toyMapping('v2')
  return {
    ...plain,
    map(source) {
      const mapped = plain.map(source)
      return mapped.kind === 'mapped' ? { ...mapped, company: '900' } : mapped
    },
  }
}

function remap(bench: Bench, mapping: Mapping, options: LaneOptions = {}) {
  return verb(bench, { verb: 'remap', feed: 'payments', mode: 'publish', decision }, { ...options, mapping })
}

function resync(bench: Bench, options: LaneOptions = {}) {
  return verb(bench, { verb: 'resync', feed: 'payments', newLineage: false, decision }, options)
}

describe('a mapping edit', () => {
  test('publishes nothing until remap, and then only what it changes', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    const status = await runOnce(bench, { mapping: edited() })
    expect(status.isRemapPending).toBe(true)
    expect(await events(bench.log)).toHaveLength(2)
    await remap(bench, edited())
    await runOnce(bench, { mapping: edited() })
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'changed 2 A!'])
    const remapped = (await events(bench.log)).filter((event) => event.revision === 2)
    expect(remapped.map((event) => event.origin)).toEqual(['remap', 'remap'])
    expect((await runOnce(bench, { mapping: edited() })).isRemapPending).toBe(false)
  })

  test('that changes record keys publishes nothing until remap [P2]', async () => {
    const bench = createBench()
    bench.table.rows.set('k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { strategy: 'pass' })
    await runOnce(bench, { strategy: 'pass', mapping: rekeyed() })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    await remap(bench, rekeyed())
    await runOnce(bench, { strategy: 'pass', mapping: rekeyed() })
    const told = (await events(bench.log)).map(({ source, type }) => `${source} ${type.split('.')[2]}`)
    expect(told.sort()).toEqual(['/erp/toy/001 created', '/erp/toy/001 deleted', '/erp/toy/900 created'])
    // Nobody is told of it as of news.
    const origins = (await events(bench.log)).map(
      ({ source, type, origin }) => `${source} ${type.split('.')[2]} ${origin}`,
    )
    expect(origins).toContain('/erp/toy/001 deleted remap')
    expect(origins).toContain('/erp/toy/900 created remap')
  })
})

describe('a remap', () => {
  test('that is quiet publishes nothing, and a real change later has the new mapping', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    const mapping = edited()
    await verb(bench, { verb: 'remap', feed: 'payments', mode: 'quiet', decision }, { mapping })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    expect((await runOnce(bench, { mapping })).isRemapPending).toBe(false)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench, { mapping })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B!'])
  })

  test('is not taken for done when another edit overtakes it [P1]', async () => {
    const bench = createBench()
    putMany(bench.table, 8)
    await runOnce(bench, { strategy: 'pass' })
    const [second, third] = [edited('v2', '2'), edited('v3', '3')]
    await remap(bench, second, { strategy: 'pass' })
    // The normal pass has two batches; the remap stops after its first.
    const session = breaksAfter(3, 'ADAPTER_AUTH_FAILED')
    await runOnce(bench, { strategy: 'pass', mapping: second, session })
    expect(await events(bench.log)).toHaveLength(12)
    expect((await runOnce(bench, { strategy: 'pass', mapping: third })).isRemapPending).toBe(true)
    await remap(bench, third, { strategy: 'pass' })
    expect((await runOnce(bench, { strategy: 'pass', mapping: third })).isRemapPending).toBe(false)
    for (let row = 0; row < 8; row += 1) {
      expect((await story(bench.log, `P${row}`)).at(-1)).toMatch(/ A3$/)
    }
  })

  test('leaves it to the poll to publish, as live, what was committed meanwhile', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    await remap(bench, edited())
    let polls = 0
    await runOnce(bench, {
      mapping: edited(),
      session: (inner) => ({
        poll(feed, cursor, signal) {
          polls += 1
          // Committed between the normal poll and the remap's.
          if (polls === 2) put(bench.table, 'k2', { number: 'P2', amount: 'paid' })
          return inner.poll(feed, cursor, signal)
        },
      }),
    })
    await runOnce(bench, { mapping: edited() })
    const origins = (await events(bench.log)).map(({ subject, origin }) => `${subject} ${origin}`)
    expect(origins.sort()).toEqual(['P1 initial', 'P1 remap', 'P2 live'])
  })

  test('of a feed that began `now` does not publish what it left out', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'OLD', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    await remap(bench, edited(), { start: 'now' })
    await runOnce(bench, { mapping: edited(), start: 'now' })
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'changed 2 A!'])
    expect(await story(bench.log, 'OLD')).toEqual([])
  })

  test('over a source that keeps old versions ends each record at its present one, in one event [P3]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    await remap(bench, edited())
    await runOnce(bench, { mapping: edited() })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B', 'changed 3 B!'])
  })

  test('of a source that hands over all only once takes nothing from the poll, and waits for the next delivery [P1]', async () => {
    const bench = createBench()
    const begun: (string | null)[] = []
    const session: SessionChange = (inner) => ({
      poll: (feed, cursor, signal) => {
        begun.push(cursor)
        return inner.poll(feed, cursor, signal)
      },
    })
    const reading = { session, handsOverOnce: true }
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await runOnce(bench, reading)
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { ...reading, mapping: edited() })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A'])
    expect(await remap(bench, edited(), reading)).toEqual({ readsAgain: false })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    put(bench.table, 'k3', { number: 'P3', amount: 'A' })
    const status = await runOnce(bench, { ...reading, mapping: edited() })
    expect(status.isRemapPending).toBe(false)
    expect(begun.filter((cursor) => cursor === null)).toHaveLength(1)
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A', 'changed 2 A!'])
    expect(await story(bench.log, 'P3')).toEqual(['created 1 A!'])
    expect((await events(bench.log)).find((event) => event.revision === 2)?.origin).toBe('remap')
  })

  test('leaves the marks of what it meets to the poll [P1]', async () => {
    const bench = createBench()
    const marked = alters((batch) => ({
      ...batch,
      marks: batch.records.map((one) => ({ key: one.key, value: 1, keepMs: 1_000_000 })),
    }))
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { session: marked })
    const before = (await marks(bench.log)).length
    await remap(bench, edited(), { session: marked })
    await runOnce(bench, { session: marked, mapping: edited() })
    expect(await marks(bench.log)).toHaveLength(before)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 A!'])
  })
})

describe('a resync', () => {
  test('publishes only what differs, as replay', async () => {
    const bench = createBench()
    putMany(bench.table, 2)
    await runOnce(bench)
    // A change that no poll will ever show.
    bench.table.changes[1] = record('k1', { number: 'P1', amount: 'B' })
    bench.table.rows.set('k1', { number: 'P1', amount: 'B' })
    await resync(bench)
    await runOnce(bench)
    expect(await story(bench.log, 'P0')).toEqual(['created 1 A'])
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
    expect((await events(bench.log)).find((event) => event.revision === 2)?.origin).toBe('replay')
  })

  test.each([
    ['of a batch', false, 4],
    ['of several batches, where the source can read single rows,', true, 1],
  ])('publishes none of the old versions %s again [P2 P3]', async (_, canRead, page) => {
    const bench = createBench()
    bench.table.canRead = canRead
    bench.table.page = page
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    await resync(bench)
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
  })

  test('publishes a deletion that it is the first to read [P1]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    bench.table.rows.delete('k1')
    bench.table.changes.push(record('k1', {}, { op: 'delete' }))
    await resync(bench)
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('goes by the newest version of a batch, where an old one was sent once more behind it [P3]', async () => {
    const bench = createBench()
    bench.table.canRead = false
    const changes = bench.table.changes
    changes.push(record('k1', { number: 'P1', amount: 'A' }, { order: '01' }))
    await runOnce(bench)
    changes.push(record('k1', {}, { op: 'delete', order: '02' }))
    changes.push(record('k1', { number: 'P1', amount: 'A' }, { order: '01' }))
    await resync(bench)
    await runOnce(bench)
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'deleted 2'])
  })

  test('stops nothing where JSON cannot say a value [P5]', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    put(bench.table, 'k1', { number: 'P1', amount: Number.NaN })
    put(bench.table, 'k2', { number: 'P2', amount: 'A' })
    await resync(bench)
    await runOnce(bench)
    expect(await story(bench.log, 'P2')).toEqual(['created 1 A'])
    expect(await rejects(bench.log)).toHaveLength(1)
  })

  test('of a feed that began `now` loses no change [P1]', async () => {
    const bench = createBench()
    await runOnce(bench, { start: 'now' })
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { start: 'now' })
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    put(bench.table, 'k2', { number: 'P2', amount: 'B' })
    await resync(bench, { start: 'now' })
    await runOnce(bench, { start: 'now' })
    expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'changed 2 B'])
    expect(await story(bench.log, 'P2')).toEqual(['created 1 B'])
  })

  test('with a new lineage begins every key at revision 1 again', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench)
    await verb(bench, { verb: 'resync', feed: 'payments', newLineage: true, decision })
    await runOnce(bench)
    bench.projections.clear()
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    await runOnce(bench)
    const all = await events(bench.log)
    expect(all.map((event) => event.revision).sort()).toEqual([1, 1, 2])
    expect(new Set(all.map((event) => event.lineage)).size).toBe(2)
    expect(new Set(all.map((event) => event.id)).size).toBe(3)
  })

  test('with a new lineage lets a feed go on that was given another name', async () => {
    const bench = createBench()
    put(bench.table, 'k1', { number: 'P1', amount: 'A' })
    await runOnce(bench, { source: 'one' })
    expect((await runOnce(bench, { source: 'two' })).hold?.code).toBe('KEY_OWNED_ELSEWHERE')
    const request = { verb: 'resync', feed: 'payments', newLineage: true, decision } as const
    await verb(bench, request, { source: 'two' })
    expect((await runOnce(bench, { source: 'two' })).hold).toBeNull()
    put(bench.table, 'k1', { number: 'P1', amount: 'B' })
    expect((await runOnce(bench, { source: 'two' })).hold).toBeNull()
    expect((await events(bench.log)).map(({ revision }) => revision).sort()).toEqual([1, 1, 2])
  })
})

test('a source that is called another system keeps what it has published under its name until remap [P2]', async () => {
  const bench = createBench()
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  put(bench.table, 'k2', { number: 'P2', amount: 'A' })
  await runOnce(bench)
  const renamed = { system: 'other', mapping: toyMapping('v1 of other') }
  put(bench.table, 'k1', { number: 'P1', amount: 'B' })
  await runOnce(bench, renamed)
  const told = (await events(bench.log)).map(
    ({ source, subject, type }) => `${source} ${subject} ${type.split('.')[2]}`,
  )
  expect(told.sort()).toEqual([
    '/erp/other/001 P1 created',
    '/erp/toy/001 P1 created',
    '/erp/toy/001 P1 deleted',
    '/erp/toy/001 P2 created',
  ])
})

test('a remap is refused while a resync is still to come, which would be forgotten [P1]', async () => {
  const bench = createBench()
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  await runOnce(bench, { start: 'now' })
  await resync(bench, { start: 'now' })
  await expect(remap(bench, edited(), { start: 'now' })).rejects.toThrow('has yet to carry out a resync')
})

test('a new lineage sorts behind the one before, though the clock was set back [P3]', async () => {
  const bench = createBench()
  put(bench.table, 'k1', { number: 'P1', amount: 'A' })
  await runOnce(bench)
  const runtime = { ...bench.runtime, uuid: () => '00000000-0001-7000-8000-000000000000' }
  const ports = { ...bench.ports, runtime }
  await verb(bench, { verb: 'resync', feed: 'payments', newLineage: true, decision }, { ports })
  await runOnce(bench)
  const lineages = (await events(bench.log)).map(({ lineage }) => lineage)
  expect(new Set(lineages).size).toBe(2)
  const [first, second] = lineages.toSorted()
  expect(await story(bench.log, 'P1')).toEqual(['created 1 A', 'created 1 A'])
  expect((await events(bench.log)).find(({ lineage }) => lineage === second)?.origin).toBe('replay')
  expect(first).not.toBe(second)
})
