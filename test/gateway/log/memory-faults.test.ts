import { describe, expect, test } from 'vitest'
import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import { createSeededFaults, type MemoryFaults } from '../../../gateway/log/memory-faults.ts'
import type { Commit } from '../../../gateway/log/port.ts'
import { CURSORS, ORDERS } from '../../kit/log-contract.ts'
import { commit, draft, NEVER, order, placedOf, valuesOf } from '../../kit/log-contract-steps.ts'
import { seededRandom } from '../../kit/random.ts'
import { EPOCH_MS, simulatedRuntime } from '../../kit/simulated-runtime.ts'

describe('a log in memory', () => {
  test('outlives those who use it, and those who use it do not disturb each other', async () => {
    const disk = await makeDisk({})
    const first = disk.connect()
    await commit(await first.writer('lane', NEVER), [order('a', '1')])
    await first.close()
    await expect(first.writer('lane', NEVER)).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    const second = disk.connect()
    await commit(await second.writer('lane', NEVER), [order('a', '2')])
    expect(await valuesOf(second, ORDERS, 3, 'a')).toEqual(['1', '2'])
  })

  test('takes the assignments from a user that was closed, as from one that crashed', async () => {
    const disk = await makeDisk({})
    const [dead, live] = [disk.connect(), disk.connect()]
    const owned = dead.subscribe('g', [ORDERS.name], NEVER)[Symbol.asyncIterator]()
    const { value: lost } = await owned.next()
    await dead.close()
    expect(lost.signal.aborted).toBe(true)
    const taken: number[] = []
    for await (const { partition } of live.subscribe('g', [ORDERS.name], NEVER)) {
      taken.push(partition)
      if (taken.length === 3) break
    }
    expect(taken).toEqual([0, 1, 2])
  })

  test('decides what was left undecided when the next writer of the identity comes, and not before', async () => {
    for (const commits of [true, false]) {
      const disk = await makeDisk({
        commit: (id) => (id === 'lane' ? 'undecided' : null),
        commitsUndecided: () => commits,
      })
      const writer = await disk.writer('lane', NEVER)
      expect(await writer.transact({ records: [order('a', 'left')] }, NEVER)).toMatchObject({
        kind: 'unknown',
      })
      await commit(await disk.writer('other', NEVER), [order('a', 'other')])
      expect(await valuesOf(disk, ORDERS, 3, 'a')).toEqual(['other'])
      await disk.writer('lane', NEVER)
      expect(await valuesOf(disk, ORDERS, 3, 'a')).toEqual(commits ? ['other', 'left'] : ['other'])
    }
  })

  test('is away when it is told to be, and loses nothing by it', async () => {
    let isAway = true
    const disk = await makeDisk({ isAway: (call) => isAway && call !== 'ensure' })
    const at = { topic: ORDERS.name, partition: 0 }
    await expect(disk.writer('lane', NEVER)).rejects.toMatchObject({
      code: 'LOG_UNAVAILABLE',
      remedy: 'retry',
    })
    await expect(disk.end(at, NEVER)).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
    isAway = false
    await commit(await disk.writer('lane', NEVER), [order('a', '1')])
    expect(await valuesOf(disk, ORDERS, 3, 'a')).toEqual(['1'])
  })

  test('deals partitions anew after a commit when it is told to', async () => {
    let rebalances = false
    const disk = await makeDisk({ rebalances: () => rebalances })
    const member = disk.subscribe('g', [ORDERS.name], NEVER)[Symbol.asyncIterator]()
    const { value: before } = await member.next()
    rebalances = true
    await commit(await disk.writer('lane', NEVER), [order('a', '1')])
    expect(before.signal.aborted).toBe(true)
    const { value: after } = await member.next()
    expect(after.signal.aborted).toBe(false)
    await member.return?.()
    expect(after.signal.aborted).toBe(true)
  })

  test('with the fence ignored lets a zombie write, which the checks must find', async () => {
    const disk = await makeDisk({ ignoreFence: true })
    const zombie = await disk.writer('lane', NEVER)
    await disk.writer('lane', NEVER)
    placedOf(await zombie.transact({ records: [order('a', 'zombie')] }, NEVER))
  })

  test('takes virtual time for what is delayed, and stops when it is told to', async () => {
    const simulation = simulatedRuntime('delays')
    const disk = createMemoryLog({
      runtime: simulation.runtime,
      partitions: 3,
      faults: { delayMs: (step) => ({ request: 100, answer: 50, read: 0 })[step] },
    })
    await disk.ensure([ORDERS], NEVER)
    const writer = await disk.writer('lane', NEVER)
    const answered = writer
      .transact({ records: [order('a', '1')] }, NEVER)
      .then(() => simulation.now() - EPOCH_MS)
    await simulation.run(EPOCH_MS + 1_000, { stepsMax: 100 })
    expect(await answered).toBe(150)
    const controller = new AbortController()
    const stopped = writer.transact({ records: [order('a', '2')] }, controller.signal)
    simulation.after(120, () => controller.abort())
    await simulation.run(EPOCH_MS + 2_000, { stepsMax: 100 })
    expect(await stopped).toMatchObject({ kind: 'unknown' })
    expect(await valuesOf(disk, ORDERS, 3, 'a')).toEqual(['1', '2'])
  })
})

describe('seeded faults', () => {
  test('are the same for the same seed, differ for another, and each of them happens', async () => {
    const [one, again, another] = [await storm('1'), await storm('1'), await storm('2')]
    expect(again).toEqual(one)
    expect(another).not.toEqual(one)
    expect(new Set([...one.answers, ...another.answers])).toEqual(
      new Set(['committed', 'unknown', 'refused']),
    )
  })

  test('never let a transaction be seen by half', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const { orders, cursors } = await storm(String(seed))
      expect(cursors).toEqual(orders)
    }
  })
})

const RATES = {
  lostBefore: 0.1,
  lostAfter: 0.1,
  undecided: 0.1,
  away: 0.05,
  awayCallsMax: 3,
  delay: 0,
  delayMsMax: 0,
  rebalance: 0.1,
}

type Storm = Readonly<{
  answers: readonly Commit['kind'][]
  orders: readonly (string | null)[]
  cursors: readonly (string | null)[]
}>

/** A lane that counts on from what the log says after everything that it does not know. */
async function storm(seed: string): Promise<Storm> {
  const random = seededRandom(seed)
  let isCalm = true
  const seeded = createSeededFaults(() => random.float(), RATES)
  const disk = await makeDisk({
    ...seeded,
    commit: (identity) => (isCalm ? null : (seeded.commit?.(identity) ?? null)),
    isAway: () => false,
  })
  isCalm = false
  const answers: Commit['kind'][] = []
  let writer = await disk.writer('lane', NEVER)
  for (let round = 0; round < 40; round += 1) {
    const number = String((await valuesOf(disk, ORDERS, 3, 'lane')).length + 1)
    const records = [order('lane', number), draft(CURSORS, 'lane', number)]
    const answer = await writer.transact({ records }, NEVER)
    answers.push(answer.kind)
    if (answer.kind === 'unknown') writer = await disk.writer('lane', NEVER)
  }
  const orders = await valuesOf(disk, ORDERS, 3, 'lane')
  expect(orders).toEqual(orders.map((_, place) => String(place + 1)))
  return { answers, orders, cursors: await valuesOf(disk, CURSORS, 3, 'lane') }
}

async function makeDisk(faults: MemoryFaults): Promise<MemoryLog> {
  const { runtime } = simulatedRuntime('memory')
  const disk = createMemoryLog({ runtime, partitions: 3, faults })
  await disk.ensure([ORDERS, CURSORS], NEVER)
  return disk
}
