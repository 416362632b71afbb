import { describe, expect, test } from 'vitest'
import type { Assignment, Log } from '../../gateway/log/port.ts'
import { type MakeLogWorld, ORDERS } from './log-contract.ts'
import { begin, commit, followUntil, NEVER, order, placedOf, textOf, write } from './log-contract-steps.ts'

export function testLogGroups(makeWorld: MakeLogWorld): void {
  describe('a group', () => {
    test('gives its only member every partition, and ends when it leaves', async () => {
      const { world, log } = await begin(makeWorld)
      const member = join(log)
      const owned = await member.take(world.partitions)
      expect(owned.map(({ partition }) => partition).sort()).toEqual([...Array(world.partitions).keys()])
      await member.leave()
      expect(owned.every(({ signal }) => signal.aborted)).toBe(true)
    })

    test('resumes from committed positions, and from none where there is none', async () => {
      const { log } = await begin(makeWorld)
      const [{ partition = 0, offset = 0 } = {}] = placedOf(
        await write(log, 'w', { records: [order('a', '1')] }),
      )
      const at = { topic: ORDERS.name, partition }
      const first = join(log)
      const owned = await first.takeOf(partition)
      expect(await owned.position()).toBeNull()
      const writer = await log.writer('publisher', NEVER)
      await commit(writer, [order('a', '2')], [{ group: GROUP, ...at, position: offset + 1 }])
      await first.leave()
      const again = await join(log).takeOf(partition)
      expect(await again.position()).toBe(offset + 1)
      expect(await log.position(GROUP, at, NEVER)).toBe(offset + 1)
      expect(await log.position('another', at, NEVER)).toBeNull()
      const seen = await followUntil(again.read(offset + 1), (records) => records.length >= 1)
      expect(seen.map(textOf)).toEqual(['2'])
    })

    test('shares partitions among members, each owned by one at a time [F36]', async () => {
      const { world, log } = await begin(makeWorld)
      const owners = new Map<number, Assignment>()
      const note = (assignment: Assignment) => {
        const before = owners.get(assignment.partition)
        expect(before?.signal.aborted ?? true).toBe(true)
        owners.set(assignment.partition, assignment)
      }
      const first = join(log, note)
      await first.take(world.partitions)
      const second = join(log, note)
      await second.take(Math.floor(world.partitions / 2))
      await first.leave()
      await second.takeUntil(
        (owned) => owned.filter(({ signal }) => !signal.aborted).length === world.partitions,
      )
      const live = [...owners.values()].filter(({ signal }) => !signal.aborted)
      expect(live.map(({ partition }) => partition).sort()).toEqual([...Array(world.partitions).keys()])
    })

    test('lets a follower see records as they come, and stops with the member', async () => {
      const { log } = await begin(makeWorld)
      const writer = await log.writer('w', NEVER)
      const [{ partition = 0 } = {}] = await commit(writer, [order('a', '0')])
      const member = join(log)
      const owned = await member.takeOf(partition)
      const seen: (string | null)[] = []
      let more = Promise.withResolvers<void>()
      const following = (async () => {
        for await (const { records } of owned.read(0)) {
          seen.push(...records.map(textOf))
          more.resolve()
        }
      })()
      for (const value of ['1', '2', '3']) {
        while (seen.at(-1) !== String(Number(value) - 1)) {
          await more.promise
          more = Promise.withResolvers()
        }
        await commit(writer, [order('a', value)])
      }
      while (seen.length < 4) {
        await more.promise
        more = Promise.withResolvers()
      }
      expect(seen).toEqual(['0', '1', '2', '3'])
      await member.leave()
      await following
    })
  })
}

const GROUP = 'contract'

type Member = Readonly<{
  /** Takes so many assignments. */
  take(count: number): Promise<readonly Assignment[]>
  takeUntil(isEnough: (owned: readonly Assignment[]) => boolean): Promise<readonly Assignment[]>
  takeOf(partition: number): Promise<Assignment>
  /** Leaves the group and waits until it has left. */
  leave(): Promise<void>
}>

function join(log: Log, note: (assignment: Assignment) => void = () => undefined): Member {
  const controller = new AbortController()
  const owned: Assignment[] = []
  let arrived = Promise.withResolvers<void>()
  const membership = (async () => {
    for await (const assignment of log.subscribe(GROUP, [ORDERS.name], controller.signal)) {
      note(assignment)
      owned.push(assignment)
      arrived.resolve()
    }
  })()
  const takeUntil = async (isEnough: (owned: readonly Assignment[]) => boolean) => {
    while (!isEnough(owned)) {
      await Promise.race([arrived.promise, membership])
      arrived = Promise.withResolvers()
    }
    return [...owned]
  }
  return {
    takeUntil,
    take: (count) => takeUntil(({ length }) => length >= count),
    async takeOf(partition) {
      const of = (all: readonly Assignment[]) => all.find((assignment) => assignment.partition === partition)
      const found = of(await takeUntil((all) => of(all) !== undefined))
      if (found === undefined) throw new Error(`Partition ${partition} never came.`)
      return found
    },
    async leave() {
      controller.abort()
      await membership
    },
  }
}
