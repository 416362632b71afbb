import { describe, expect, test } from 'vitest'
import type { NoticeState } from '../../../gateway/dingtalk/notice.ts'
import type { Event } from '../../../gateway/event.ts'
import type { ProjectionRow } from '../../../gateway/ports.ts'
import { type CursorCommit, cursorNeverAhead, type Delivered } from './cursor-never-ahead.ts'
import { contentOf, type Published, type RowVersion, type Truth } from './facts.ts'
import { gaplessRevisions } from './gapless-revisions.ts'
import { noOlderAfterNewer } from './no-older-after-newer.ts'
import { nothingInvented } from './nothing-invented.ts'
import { liveness, nothingLost } from './nothing-lost.ts'
import { nothingTwice } from './nothing-twice.ts'
import { type Notice, type NoticeFacts, noticesOnce } from './notices-once.ts'
import { deletesTrue, orderPerKey } from './order-per-key.ts'
import { projectionEqualsLog } from './projection-equals-log.ts'
import { rejectsOnce } from './rejects-once.ts'
import { uniqueIds } from './unique-ids.ts'
import { webhookPace } from './webhook-pace.ts'

/** Events of one key: what each says (null: deleted) and when; offsets and revisions count up. */
function said(
  ...says: readonly (readonly [content: string | null, time: number, change?: Partial<Event>])[]
) {
  return says.map(([content, time, change], index): Published => {
    const action = content === null ? 'deleted' : index === 0 ? 'created' : 'changed'
    return {
      recordKey: 'toy/001/P1',
      topic: 'erp.payment.v1',
      partition: 0,
      offset: index,
      time,
      event: {
        specversion: '1.0',
        id: `id-${index}`,
        type: `erp.payment.${action}.v1`,
        source: '/erp/toy/001',
        subject: 'P1',
        time: '2026-03-02T08:00:00Z',
        datacontenttype: 'application/json',
        dataschema: 'payment',
        traceparent: '',
        revision: index + 1,
        lineage: 'one',
        contenthash: content ?? 'gone',
        origin: 'live',
        sourcekey: '1',
        sourcefingerprint: '',
        mappingversion: '',
        readorder: `n${index}`,
        data: content === null ? {} : { mark: content },
        ...change,
      },
    }
  })
}

function value(mark: string, at: number): RowVersion {
  return { at, kind: 'value', content: contentOf({ mark }) }
}

function truthOf(...versions: readonly RowVersion[]): Truth {
  return new Map([['toy/001/P1', versions]])
}

const FULL = truthOf(value('A', 1), value('B', 2), { at: 3, kind: 'gone' }, value('A', 4))
const ALL = said(['A', 1], ['B', 2], [null, 3], ['A', 4])

describe('each checker passes what is right and finds what was planted', () => {
  test('unique-ids', () => {
    expect(uniqueIds(ALL)).toEqual([])
    expect(uniqueIds(said(['A', 1], ['B', 2, { id: 'id-0' }]))).toHaveLength(1)
  })

  test('gapless-revisions', () => {
    expect(gaplessRevisions(ALL)).toEqual([])
    expect(gaplessRevisions(said(['A', 1], ['B', 2, { revision: 3 }]))).toHaveLength(1)
    expect(gaplessRevisions(said(['A', 1], ['B', 2, { revision: 1 }]))).toHaveLength(1)
    expect(gaplessRevisions(said(['A', 1], ['B', 2, { revision: 1, lineage: 'two' }]))).toEqual([])
  })

  test('nothing-twice', () => {
    expect(nothingTwice(ALL)).toEqual([])
    expect(nothingTwice(said(['A', 1], ['A', 2]))).toHaveLength(1)
    expect(nothingTwice(said(['A', 1], [null, 2], [null, 3]))).toHaveLength(1)
  })

  test('nothing-invented', () => {
    expect(nothingInvented(ALL, FULL)).toEqual([])
    expect(nothingInvented(said(['C', 5]), FULL)).toHaveLength(1)
    expect(nothingInvented(said(['B', 1]), FULL)).toHaveLength(1)
  })

  test('order-per-key', () => {
    expect(orderPerKey(ALL, FULL)).toEqual([])
    expect(orderPerKey(said(['A', 1], ['A', 4]), FULL)).toEqual([])
    expect(orderPerKey(said(['B', 4], ['A', 4], ['B', 5]), FULL)).toHaveLength(1)
  })

  test('deletes-true', () => {
    expect(deletesTrue(ALL, FULL)).toEqual([])
    expect(deletesTrue(said(['A', 1], [null, 2], ['A', 4]), FULL)).toHaveLength(1)
    expect(deletesTrue(said(['A', 4], [null, 5], [null, 6]), FULL)).toHaveLength(1)
  })

  test('no-older-after-newer', () => {
    const reads = (...orders: readonly (readonly [order: string, sourcekey: string])[]) =>
      said(...orders.map(([readorder, sourcekey], at) => [`${at}`, at, { readorder, sourcekey }] as const))
    expect(noOlderAfterNewer(ALL)).toEqual([])
    expect(noOlderAfterNewer(reads(['n2', '1'], ['n1', '1']))).toHaveLength(1)
    expect(noOlderAfterNewer(reads(['n2//5', '1'], ['n3//4', '1']))).toHaveLength(1)
    expect(noOlderAfterNewer(reads(['n2//5', '1'], ['n1//6', '1']))).toEqual([])
    expect(noOlderAfterNewer(reads(['n2', '1'], ['n1', '2']))).toEqual([])
  })

  test('nothing-lost and liveness', () => {
    const settled = { truth: FULL, rejects: [], isExempt: () => false }
    expect(nothingLost({ ...settled, events: ALL })).toEqual([])
    expect(nothingLost({ ...settled, events: ALL.slice(0, 2) })).toHaveLength(1)
    expect(nothingLost({ ...settled, events: ALL.slice(0, 3) })).toHaveLength(1)
    expect(nothingLost({ ...settled, events: [] })).toHaveLength(1)
    expect(nothingLost({ ...settled, events: [], isExempt: () => true })).toEqual([])
    const gone = truthOf(value('A', 1), { at: 2, kind: 'gone' })
    expect(nothingLost({ ...settled, truth: gone, events: said(['A', 1]) })).toHaveLength(1)
    expect(nothingLost({ ...settled, truth: gone, events: [] })).toEqual([])
    const poison = truthOf({ at: 1, kind: 'unmappable', raw: 'x' })
    expect(nothingLost({ ...settled, truth: poison, events: [] })).toHaveLength(1)
    expect(liveness({ ...settled, events: ALL }, { at: 4, minutes: 5 }, [])).toEqual([])
    expect(liveness({ ...settled, events: ALL }, { at: 3, minutes: 5 }, [])).toHaveLength(1)
    expect(liveness({ ...settled, events: ALL }, { at: 4, minutes: 5 }, ['Lane x stopped.'])).toHaveLength(1)
  })

  test('rejects-once', () => {
    const reject = { lane: 'toy.payment', time: 1, sourceKey: '1', raw: 'x' }
    expect(rejectsOnce([reject, { ...reject, raw: 'y' }, { ...reject, sourceKey: '2' }])).toEqual([])
    expect(rejectsOnce([reject, { ...reject, time: 2 }])).toHaveLength(1)
  })

  test('webhook-pace', () => {
    const calls = Array.from({ length: 60 }, (_, call) => ({ webhook: 'w', at: call * 3_000 }))
    expect(webhookPace(calls)).toEqual([])
    expect(webhookPace([...calls, { webhook: 'v', at: 177_001 }])).toEqual([])
    expect(webhookPace([...calls, { webhook: 'w', at: 177_001 }])).toHaveLength(1)
  })

  test('projection-equals-log', () => {
    const row: ProjectionRow = {
      sourceKey: '1',
      recordKey: 'toy/001/P1',
      revision: 4,
      contentHash: 'A',
      fieldDigests: '',
      sourceFingerprint: '',
      readOrder: '',
      mappingVersion: '',
      deleted: false,
      rejected: null,
      partition: 0,
      offset: 3,
    }
    expect(projectionEqualsLog('toy.payment', [row], ALL)).toEqual([])
    expect(projectionEqualsLog('toy.payment', [], ALL)).toHaveLength(1)
    expect(projectionEqualsLog('toy.payment', [{ ...row, revision: 3 }], ALL)).toHaveLength(1)
    const other = { ...row, recordKey: 'toy/001/P2' }
    expect(projectionEqualsLog('toy.payment', [row, other], ALL)).toHaveLength(1)
    expect(projectionEqualsLog('toy.payment', [row, { ...other, revision: 0 }], ALL)).toEqual([])
  })
})

describe('cursor-never-ahead', () => {
  const [first, second, gone] = FULL.get('toy/001/P1') ?? []
  const batch = (version: RowVersion | undefined, poll: number, at: number, next: string): Delivered => ({
    lane: 'toy.payment',
    poll,
    at,
    next,
    records: version === undefined ? [] : [{ recordKey: 'toy/001/P1', sourceKey: 'P1', version, raw: null }],
  })
  const commit = (time: number, cursor: string): CursorCommit => ({ lane: 'toy.payment', time, cursor })
  const check = (
    deliveries: readonly Delivered[],
    commits: readonly CursorCommit[],
    events: readonly Published[],
  ) => cursorNeverAhead({ deliveries, commits, truth: FULL, events, rejects: [] })

  test('passes a cursor behind which all is in the log, equal or overtaken', () => {
    expect(check([batch(first, 1, 1, 'c1')], [commit(2, 'c1')], said(['A', 2]))).toEqual([])
    expect(check([batch(first, 1, 1, 'c1')], [commit(3, 'c1')], said(['B', 2]))).toEqual([])
    expect(check([batch(gone, 1, 3, 'c1')], [commit(3, 'c1')], [])).toEqual([])
    expect(check([batch(second, 1, 2, 'c1')], [], [])).toEqual([])
  })

  test('passes what was overtaken by a version that was rejected by then, and by none that was not', () => {
    const poison: RowVersion = { at: 2, kind: 'unmappable', raw: 'x' }
    const reject = { lane: 'toy.payment', time: 2, sourceKey: '1', raw: 'x' }
    const facts = {
      deliveries: [batch(first, 1, 1, 'c1')],
      commits: [commit(3, 'c1')],
      truth: truthOf(...[first, poison].flatMap((version) => version ?? [])),
      events: [],
    }
    expect(cursorNeverAhead({ ...facts, rejects: [reject] })).toEqual([])
    expect(cursorNeverAhead({ ...facts, rejects: [{ ...reject, time: 4 }] })).toHaveLength(1)
  })

  test('finds a cursor that is durable before what it covers', () => {
    expect(check([batch(first, 1, 1, 'c1')], [commit(2, 'c1')], said(['A', 3]))).toHaveLength(1)
    expect(check([batch(second, 1, 2, 'c1')], [commit(3, 'c1')], said(['A', 1]))).toHaveLength(1)
  })

  test('asks only for what was current where everything may be read again', () => {
    const facts = { commits: [commit(2, 'c1')], truth: FULL, events: [], rejects: [], isReplayed: true }
    expect(cursorNeverAhead({ ...facts, deliveries: [batch(first, 1, 2, 'c1')] })).toEqual([])
    expect(cursorNeverAhead({ ...facts, deliveries: [batch(second, 1, 2, 'c1')] })).toHaveLength(1)
  })

  test('finds what an earlier batch of the same poll handed over', () => {
    const deliveries = [batch(first, 1, 1, 'c1'), batch(undefined, 1, 2, 'c2')]
    expect(check(deliveries, [commit(2, 'c2')], [])).toHaveLength(1)
    // By then it is gone, and nobody was told that it had come.
    expect(check(deliveries, [commit(3, 'c2')], [])).toEqual([])
  })
})

describe('notices-once', () => {
  const [event] = said(['A', 1])
  const notice = (state: NoticeState, change: Partial<Notice> = {}): Notice => ({
    id: 'n1',
    state,
    route: 'approved',
    event: { id: 'id-0', type: 'erp.payment.created.v1', key: 'toy/001/P1', origin: 'live', time: null },
    destination: 'person:wang',
    message: state === 'planned' ? { title: 't', text: 'A' } : null,
    ...change,
  })
  const check = (notices: readonly Notice[], receivedCount: number, change: Partial<NoticeFacts> = {}) =>
    noticesOnce({
      events: event === undefined ? [] : [event],
      notices,
      received: Array.from({ length: receivedCount }, () => ({
        destination: 'person:wang',
        text: 'A',
        at: 1,
      })),
      expectedOf: () => [{ route: 'approved', destination: 'person:wang' }],
      ...change,
    })

  test('passes one notice, sent and shown once, or perhaps', () => {
    expect(check([notice('planned'), notice('sending'), notice('sent')], 1)).toEqual([])
    expect(check([notice('planned'), notice('sending'), notice('unknown')], 0)).toEqual([])
    expect(check([notice('planned'), notice('sending'), notice('unknown')], 1)).toEqual([])
    expect(check([notice('planned'), notice('failed')], 0)).toEqual([])
  })

  test('finds a notice that is missing, open, doubled, unwanted, lost, or shown twice', () => {
    expect(check([], 0)).toHaveLength(1)
    expect(check([notice('planned'), notice('sending')], 0)).toHaveLength(1)
    expect(check([notice('planned'), notice('sent'), notice('sent')], 1)).toHaveLength(1)
    expect(check([notice('planned'), notice('sent')], 1, { expectedOf: () => [] })).toHaveLength(1)
    expect(check([notice('planned'), notice('sent')], 0)).toHaveLength(1)
    expect(check([notice('planned'), notice('sent')], 2)).toHaveLength(1)
    expect(check([notice('planned'), notice('unknown')], 2)).toHaveLength(1)
    expect(check([notice('planned'), notice('failed')], 1)).toHaveLength(1)
  })
})
