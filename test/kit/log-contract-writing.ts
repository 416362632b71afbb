import { describe, expect, test } from 'vitest'
import { RECORD_BYTES_MAX } from '../../gateway/log/drafts.ts'
import table from './keys-and-partitions.json' with { type: 'json' }
import { CURSORS, type MakeLogWorld, ORDERS, REJECTS } from './log-contract.ts'
import {
  begin,
  bytes,
  commit,
  draft,
  NEVER,
  order,
  placedOf,
  readPartition,
  readTopic,
  textOf,
  valuesOf,
  write,
} from './log-contract-steps.ts'

export function testLogWriting(makeWorld: MakeLogWorld): void {
  describe('topics', () => {
    test('are made once and keep their id and partitions', async () => {
      const { world, log, topics } = await begin(makeWorld)
      expect(topics.map(({ name, partitions, faults }) => ({ name, partitions, faults }))).toEqual(
        [ORDERS, CURSORS, REJECTS].map(({ name }) => ({ name, partitions: world.partitions, faults: [] })),
      )
      expect(new Set(topics.map(({ id }) => id ?? Symbol('untold'))).size).toBe(topics.length)
      expect(await log.ensure([ORDERS, CURSORS, REJECTS], NEVER)).toEqual(topics)
      const reopened = await world.restart()
      expect(await reopened.ensure([ORDERS, CURSORS, REJECTS], NEVER)).toEqual(topics)
    })

    test('that lost, or may have lost, what a spec promises say so', async () => {
      const { log } = await begin(makeWorld)
      placedOf(await write(log, 'w', { records: [draft(REJECTS, 'a', '1'), order('a')] }))
      const asState = { ...REJECTS, cleanup: 'compact' } as const
      const asHistory = { ...ORDERS, cleanup: 'delete', keepMs: ORDERS.keepMs * 2 } as const
      const states = await log.ensure([asState, asHistory], NEVER)
      expect(states.map(({ name, faults }) => [name, faults.length])).toEqual([
        [REJECTS.name, 1],
        [ORDERS.name, 1],
      ])
    })

    test('of an unknown name are refused for good', async () => {
      const { log } = await begin(makeWorld)
      const records = [{ topic: 'erp.unknown.v1', key: 'a', value: bytes('1') }]
      expect(await write(log, 'w', { records })).toMatchObject({ kind: 'refused', retryable: false })
      await expect(log.end({ topic: 'erp.unknown.v1', partition: 0 }, NEVER)).rejects.toThrow(
        /erp\.unknown\.v1/,
      )
    })
  })

  describe('a transaction', () => {
    test('puts every key where the clients of other languages look for it', async () => {
      const { world, log } = await begin(makeWorld)
      const keys = table.keys.map(({ key }) => key)
      const placed = placedOf(await write(log, 'w', { records: keys.map((key) => order(key)) }))
      const expected = table.keys.map(({ hash }) => (hash & 0x7fffffff) % world.partitions)
      expect(placed.map(({ partition }) => partition)).toEqual(expected)
      const found = new Map((await readTopic(log, ORDERS, world.partitions)).map((r) => [r.key, r.partition]))
      expect(keys.map((key) => found.get(key))).toEqual(expected)
    })

    test('keeps the order of each key, over many transactions', async () => {
      const { world, log } = await begin(makeWorld)
      const writer = await log.writer('w', NEVER)
      for (let round = 0; round < 10; round += 1) {
        await commit(writer, [order('a', `${round}.1`), order('b', `${round}`), order('a', `${round}.2`)])
      }
      const rounds = Array.from({ length: 10 }, (_, round) => round)
      expect(await valuesOf(log, ORDERS, world.partitions, 'a')).toEqual(
        rounds.flatMap((round) => [`${round}.1`, `${round}.2`]),
      )
      expect(await valuesOf(log, ORDERS, world.partitions, 'b')).toEqual(rounds.map(String))
    })

    test('tells where each of its records went', async () => {
      const { world, log } = await begin(makeWorld)
      const drafts = ['a', 'b', 'c', 'a', 'd'].map((key, place) => order(key, `${key}${place}`))
      const writer = await log.writer('w', NEVER)
      await commit(writer, [order('a', 'before')])
      const placed = await commit(writer, drafts)
      const records = await readTopic(log, ORDERS, world.partitions)
      const told = placed.map(({ partition, offset }) =>
        records.find((record) => record.partition === partition && record.offset === offset),
      )
      expect(told.map((record) => (record === undefined ? null : textOf(record)))).toEqual(
        drafts.map(({ value }) => new TextDecoder().decode(value ?? undefined)),
      )
    })

    test('brings back keys, values and headers exactly', async () => {
      const { world, log } = await begin(makeWorld)
      const noise = Uint8Array.from({ length: 700_000 }, (_, at) => (at * 31 + (at >> 8)) & 0xff)
      const drafts = [
        {
          topic: ORDERS.name,
          key: '公司/采购订单-0010',
          value: bytes('{"金额":"1.10"}'),
          headers: { 类型: '付款' },
        },
        { topic: ORDERS.name, key: 'large', value: noise, headers: { 'content-type': 'application/json' } },
        { topic: ORDERS.name, key: 'a\u0000b', value: new Uint8Array(0) },
        { topic: ORDERS.name, key: 'tombstone', value: null },
        { topic: REJECTS.name, key: null, value: bytes('no key') },
      ]
      placedOf(await write(log, 'w', { records: drafts }))
      const records = [
        ...(await readTopic(log, ORDERS, world.partitions)),
        ...(await readTopic(log, REJECTS, world.partitions)),
      ]
      for (const { key, value, headers } of drafts) {
        const record = records.find((candidate) => candidate.key === key)
        expect(record?.headers).toEqual(headers ?? {})
        expect(record?.value === null ? null : Buffer.from(record?.value ?? [])).toEqual(
          value === null ? null : Buffer.from(value),
        )
      }
      expect(records.find(({ key }) => key === null)?.partition).toBe(0)
    })

    test('stamps its records with the time at which the log took them', async () => {
      const { world, log } = await begin(makeWorld)
      placedOf(await write(log, 'w', { records: [order('a'), order('b')] }))
      const times = (await readTopic(log, ORDERS, world.partitions)).map(({ time }) => time)
      expect(times).toHaveLength(2)
      expect(times.every((time) => Number.isSafeInteger(time) && time > Date.UTC(2020, 0, 1))).toBe(true)
    })

    test('without records and positions is a mistake of the caller', async () => {
      const { log } = await begin(makeWorld)
      const writer = await log.writer('w', NEVER)
      await expect(writer.transact({ records: [] }, NEVER)).rejects.toThrow(/without records and positions/)
      await commit(writer, [order('a')])
    })

    test('beside another of the same writer is a mistake of the caller', async () => {
      const { log } = await begin(makeWorld)
      const writer = await log.writer('w', NEVER)
      const first = writer.transact({ records: [order('a')] }, NEVER)
      await expect(writer.transact({ records: [order('b')] }, NEVER)).rejects.toThrow(/busy/)
      placedOf(await first)
    })

    test('with a record over the limit is refused for good and leaves nothing behind', async () => {
      const { world, log } = await begin(makeWorld)
      const writer = await log.writer('w', NEVER)
      const large = { topic: ORDERS.name, key: 'large', value: new Uint8Array(RECORD_BYTES_MAX) }
      const answer = await writer.transact({ records: [order('a'), large] }, NEVER)
      expect(answer).toMatchObject({
        kind: 'refused',
        retryable: false,
        reason: expect.stringMatching(/limit/),
      })
      expect(await readTopic(log, ORDERS, world.partitions)).toEqual([])
      await commit(writer, [order('a')])
    })

    test('with a record without a key for a compacted topic is refused for good', async () => {
      const { log } = await begin(makeWorld)
      const answer = await write(log, 'w', { records: [draft(ORDERS, null, '1')] })
      expect(answer).toMatchObject({
        kind: 'refused',
        retryable: false,
        reason: expect.stringMatching(/key/),
      })
    })

    test('that is stopped before it is sent has no effect', async () => {
      const { world, log } = await begin(makeWorld)
      const writer = await log.writer('w', NEVER)
      const stop = new Error('stop')
      await expect(writer.transact({ records: [order('a')] }, AbortSignal.abort(stop))).rejects.toBe(stop)
      expect(await readTopic(log, ORDERS, world.partitions)).toEqual([])
      await commit(writer, [order('a')])
    })

    test('over several topics and positions is seen whole by whoever reads once it is committed [P2 F2]', async () => {
      const { world, log } = await begin(makeWorld)
      const reader = await world.open()
      const writer = await log.writer('w', NEVER)
      const [{ partition = 0 } = {}] = await commit(writer, [order('key', '0')])
      const orders = { topic: ORDERS.name, partition }
      const cursors = { topic: CURSORS.name, partition }
      let committed = 0
      let isWriting = true
      const writing = (async () => {
        for (let round = 1; round <= 40; round += 1) {
          const positions = [{ group: 'readers', ...orders, position: round }]
          await commit(writer, [order('key', `${round}`), draft(CURSORS, 'key', `${round}`)], positions)
          committed = round
        }
        isWriting = false
      })()
      const isSeen = (least: number, found: number) => {
        expect(found).toBeGreaterThanOrEqual(least)
        expect(found).toBeLessThanOrEqual(committed + 1)
      }
      while (isWriting) {
        const least = committed
        isSeen(least, (await readPartition(reader, cursors)).records.length)
        isSeen(least, (await reader.position('readers', orders, NEVER)) ?? 0)
        isSeen(least, (await readPartition(reader, orders)).records.length - 1)
      }
      await writing
      expect((await readPartition(reader, cursors)).records).toHaveLength(40)
      expect(await reader.position('readers', orders, NEVER)).toBe(40)
    })
  })
}
