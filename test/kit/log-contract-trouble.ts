import { describe, expect, test } from 'vitest'
import { partitionOf } from '../../gateway/log/partition.ts'
import { CURSORS, type LogWorld, type MakeLogWorld, ORDERS } from './log-contract.ts'
import {
  begin,
  commit,
  draft,
  NEVER,
  order,
  placedOf,
  readTopic,
  valuesOf,
  write,
} from './log-contract-steps.ts'

export function testLogTrouble(makeWorld: MakeLogWorld): void {
  describe('writers', () => {
    test('of one identity: the second fences the first [F5]', async () => {
      const { world, log } = await begin(makeWorld)
      const other = await world.open()
      const first = await log.writer('lane', NEVER)
      await commit(first, [order('a', '1')])
      const second = await other.writer('lane', NEVER)
      expect(await first.transact({ records: [order('a', 'zombie')] }, NEVER)).toEqual({ kind: 'fenced' })
      await commit(second, [order('a', '2')])
      expect(await first.transact({ records: [order('a', 'zombie')] }, NEVER)).toEqual({ kind: 'fenced' })
      expect(await valuesOf(log, ORDERS, world.partitions, 'a')).toEqual(['1', '2'])
    })

    test('of one identity: what the first has under way is decided when the second is there', async () => {
      const { world, log } = await begin(makeWorld)
      const other = await world.open()
      for (let round = 0; round < 10; round += 1) {
        const first = await log.writer('lane', NEVER)
        const underWay = first.transact({ records: [order('a', `${round}`)] }, NEVER)
        await other.writer('lane', NEVER)
        const decided = await valuesOf(log, ORDERS, world.partitions, 'a')
        const answer = await underWay
        expect(['committed', 'fenced', 'unknown']).toContain(answer.kind)
        const after = await valuesOf(log, ORDERS, world.partitions, 'a')
        expect(after).toEqual(decided)
        if (answer.kind !== 'unknown') expect(after.includes(`${round}`)).toBe(answer.kind === 'committed')
      }
    })

    test('of different identities write side by side without disturbing each other', async () => {
      const { world, log } = await begin(makeWorld)
      const logs = [log, await world.open(), await world.open()]
      const names = Array.from({ length: 9 }, (_, place) => `lane-${place}`)
      await Promise.all(
        names.map(async (name, place) => {
          const writer = await (logs[place % logs.length] ?? log).writer(name, NEVER)
          for (let round = 0; round < 20; round += 1) await commit(writer, [order(name, `${round}`)])
          await writer.close()
        }),
      )
      const rounds = Array.from({ length: 20 }, (_, round) => `${round}`)
      const records = await readTopic(log, ORDERS, world.partitions)
      for (const name of names) {
        const values = records
          .filter(({ key }) => key === name)
          .map(({ value }) => String(Buffer.from(value ?? [])))
        expect(values).toEqual(rounds)
      }
    })

    test('beside one whose transaction is refused lose nothing', async () => {
      const { world, log } = await begin(makeWorld)
      const [good, bad] = [await log.writer('good', NEVER), await log.writer('bad', NEVER)]
      const answers = await Promise.all([
        good.transact({ records: [order('a')] }, NEVER),
        bad.transact({ records: [order('b'), { topic: 'erp.unknown.v1', key: 'b', value: null }] }, NEVER),
      ])
      expect(answers.map(({ kind }) => kind)).toEqual(['committed', 'refused'])
      expect((await readTopic(log, ORDERS, world.partitions)).map(({ key }) => key)).toEqual(['a'])
    })
  })

  describe('an answer that got lost', () => {
    for (const lose of ['before-commit', 'after-commit'] as const) {
      test(`${lose.replace('-', ' ')} is unknown, and the next writer finds the truth, whole`, async () => {
        const { world } = await begin(makeWorld)
        const log = await world.restart(lose)
        const writer = await log.writer('lane', NEVER)
        const at = { topic: ORDERS.name, partition: partitionOf('a', world.partitions) }
        const positions = [{ group: 'g', ...at, position: 7 }]
        const records = [order('a', '1'), draft(CURSORS, 'lane', '1')]
        expect(await writer.transact({ records, positions }, NEVER)).toMatchObject({ kind: 'unknown' })
        await expect(writer.transact({ records }, NEVER)).rejects.toThrow(/spent/)
        const next = await world.restart()
        await next.writer('lane', NEVER)
        const orders = await valuesOf(next, ORDERS, world.partitions, 'a')
        const expected = lose === 'after-commit' ? ['1'] : []
        expect(orders).toEqual(expected)
        expect(await valuesOf(next, CURSORS, world.partitions, 'lane')).toEqual(expected)
        expect(await next.position('g', at, NEVER)).toBe(lose === 'after-commit' ? 7 : null)
      })
    }
  })
}

export function testLogFullDisk(makeWorld: MakeLogWorld): void {
  describe('a full disk', () => {
    test('refuses without losing anything, and takes more when there is room again [P9 F17]', async () => {
      const { world, log } = await begin(makeWorld)
      placedOf(await write(log, 'before', { records: [order('a', 'before')] }))
      const writer = await log.writer('lane', NEVER)
      const makeRoom = await fillOf(world)(log)
      const later = 'later'.repeat(40_000)
      const transaction = { records: [order('b', later), draft(CURSORS, 'lane', '1')] }
      const refused = await writer.transact(transaction, NEVER)
      expect(refused).toMatchObject({ kind: 'refused', retryable: true })
      expect(await valuesOf(log, ORDERS, world.partitions, 'a')).toEqual(['before'])
      expect(await valuesOf(log, ORDERS, world.partitions, 'b')).toEqual([])
      expect(await valuesOf(log, CURSORS, world.partitions, 'lane')).toEqual([])
      await makeRoom()
      placedOf(await writer.transact(transaction, NEVER))
      expect(await valuesOf(log, ORDERS, world.partitions, 'b')).toEqual([later])
    })
  })
}

function fillOf(world: LogWorld): NonNullable<LogWorld['fill']> {
  if (world.fill === null) throw new Error('A world whose driver keeps the log must be able to fill it.')
  return world.fill
}
