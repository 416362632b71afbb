import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EVENT_HEADERS, encodeEvent } from '../../../gateway/envelope.ts'
import { cursorDraft, newCursorRecord } from '../../../gateway/lane/cursor-record.ts'
import { countedOrder } from '../../../gateway/lane/read-order.ts'
import { rejectDraft, settledDraft } from '../../../gateway/lane/reject-record.ts'
import { createEmbeddedLog, openEmbeddedReader } from '../../../gateway/log/embedded.ts'
import type { Draft } from '../../../gateway/log/port.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { DEFAULT_KEEP, topicSpecs } from '../../../gateway/topics.ts'
import { erpgwIn, SITE } from './world.ts'

const runtime = createRuntime()
const folder = join(mkdtempSync(join(tmpdir(), 'erpgw-log-')), 'log')
const LANE = 'erp.payments'
const EVENTS = 30

beforeAll(async () => {
  const { signal } = new AbortController()
  const log = await createEmbeddedLog({ folder, runtime, partitions: 3, diskMaxBytes: 100_000_000 })
  await log.ensure(topicSpecs(['payment'], DEFAULT_KEEP), signal)
  const writer = await log.writer('test', signal)
  const drafts = [
    ...Array.from({ length: EVENTS }, (_, index) => event(`P${index}`, 1, 'now')),
    reject('mended', 2, 'now'),
    reject('broken', 2, 'now'),
    reject('broken-twice', 2, 'now'),
    reject('broken-twice', 3, 'now'),
    reject('published-before', 2, 'now'),
    reject('long-ago', 2, 'former'),
    event('published-before', 1, 'now'),
    event('mended', 4, 'now'),
    settledDraft('test', LANE, 'mended'),
    cursorDraft('test', newCursorRecord(LANE, 'now', 'v1', '2026-11-24T05:00:00.000Z')),
  ]
  for (const draft of drafts) {
    expect((await writer.transact({ records: [draft] }, signal)).kind).toBe('committed')
  }
  await log.close()
})

afterAll(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

function event(sourceKey: string, read: number, lineage: string): Draft {
  const recordKey = `shop/001/${sourceKey}`
  const value = encodeEvent({
    ...{
      entity: 'payment',
      action: 'created',
      system: 'shop',
      company: '001',
      subject: sourceKey,
      recordKey,
    },
    ...{ time: '2026-11-24T05:00:00+00:00', traceparent: '00-1', revision: 1, lineage, contentHash: 'c' },
    ...{ origin: 'live', sourceKey, sourceFingerprint: 'f', mappingVersion: 'v1', changedFields: null },
    ...{ readOrder: countedOrder(read), data: Buffer.from(JSON.stringify({ number: sourceKey })) },
  })
  return { topic: 'erp.payment.v1', key: recordKey, value, headers: EVENT_HEADERS }
}

function reject(sourceKey: string, read: number, lineage: string): Draft {
  return rejectDraft(
    {
      ...{ sourceKey, code: 'CODE_UNKNOWN', field: 'state', line: 10, reason: 'state "X" fits no case' },
      ...{
        where: `payment ${sourceKey}#${read}`,
        raw: new Uint8Array([65]),
        fingerprint: `${sourceKey}${read}`,
      },
      readOrder: countedOrder(read),
    },
    {
      ...{ gateway: 'test', lane: LANE, lineage, mappingName: 'shop/payment', mappingVersion: 'v1' },
      at: '2026-11-24T05:00:00.000Z',
    },
  )
}

function said(...argv: readonly string[]) {
  return erpgwIn({ ...SITE, readLog: () => openEmbeddedReader({ folder, runtime }) }, ...argv)
}

function lines(text: string): readonly string[] {
  return text.trimEnd().split('\n')
}

test('events tells a program the place of each event, and the event as it is', async () => {
  const whole = lines((await said('events', '--json', '-n', '5')).out).map((line) => JSON.parse(line))
  const placed = lines((await said('events', '--positions', '-n', '5')).out).map((line) => JSON.parse(line))
  expect(placed.map(({ event: inner }) => inner)).toEqual(whole)
  for (const { topic, partition, offset } of placed) {
    expect(topic).toBe('erp.payment.v1')
    expect([0, 1, 2]).toContain(partition)
    expect(Number.isInteger(offset)).toBe(true)
  }
})

test('events from the start shows everything, each partition in its own order', async () => {
  expect(lines((await said('events')).out)).toHaveLength(20)
  const { code, out } = await said('events', '--from-start', '--positions')
  expect(code).toBe(0)
  const placed = lines(out).map((line) => JSON.parse(line))
  expect(new Set(placed.map(({ event: { subject } }) => subject)).size).toBe(EVENTS + 2)
  for (const [, events] of Map.groupBy(placed, ({ partition }) => partition)) {
    expect(events.map(({ offset }) => offset)).toEqual(events.map((_, index) => index))
  }
})

test('events takes either a number or everything', async () => {
  const { code, err } = await said('events', '--from-start', '-n', '5')
  expect(code).toBe(2)
  expect(err).toContain('cannot be used with')
})

test('rejects marks those whose record was not understood since', async () => {
  const { out } = await said('rejects')
  const marks = lines(out)
    .slice(1)
    .map((line) => /payment (\S+) +(yes|no) /.exec(line)?.slice(1).join(' '))
  expect(marks.sort()).toEqual([
    'broken#2 yes',
    'broken-twice#2 no',
    'broken-twice#3 yes',
    'long-ago#2 no',
    'mended#2 no',
    'published-before#2 yes',
  ])
})

test('rejects lists the open ones alone, however many have come since', async () => {
  const shown = async (...more: readonly string[]) =>
    [...(await said('rejects', '--open', ...more)).out.matchAll(/payment (\S+)/g)].map(([, where]) => where)
  expect((await shown()).sort()).toEqual(['broken#2', 'broken-twice#3', 'published-before#2'])
  expect(await shown('-n', '1')).toHaveLength(1)
})
