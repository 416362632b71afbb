import type { Random } from '../kit/random.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'
import { type Fields, NO_AMOUNT, NO_STATUS, type World } from './world.ts'

/** How the users of the toy ERP work on one table. */
export type Habits = Readonly<{
  table: string
  /** Mean time between two writes. */
  everyMs: number
  /** Rows there before the gateway first looks. */
  rowsAtStart: number
  canDelete: boolean
  canRename: boolean
  /** Whether users write what the adapter cannot decode. */
  canSpoil: boolean
  /** How long a transaction may take at most from its stamp to its commit, and how often it takes longer still. */
  lateMsMax: number
  tooLateChance: number
}>

const TOO_LATE_MS = 180_000

const STATUSES = ['proposed', 'approved', 'blocked', 'sent']

/** The users: they write until they are told to stop. Each transaction holds its row from its stamp to its commit. */
export function startWriters(
  simulated: SimulatedRuntime,
  world: World,
  habits: readonly Habits[],
): Readonly<{ stop(): void; pending(): number }> {
  let isStopped = false
  const locked = new Set<string>()
  for (const habit of habits) {
    const random = simulated.random.fork(`writers/${habit.table}`)
    const user = createUser(simulated, world, habit, random, locked)
    for (let row = 0; row < habit.rowsAtStart; row++) user.insert()
    const work = () => {
      if (isStopped) return
      for (let burst = random.chance(0.2) ? random.between(2, 12) : 1; burst > 0; burst--) user.write()
      simulated.after(-Math.log(1 - random.float()) * habit.everyMs, work)
    }
    simulated.after(random.below(habit.everyMs), work)
  }
  return {
    stop() {
      isStopped = true
    },
    pending: () => locked.size,
  }
}

type User = Readonly<{ insert(): void; write(): void }>

function createUser(
  simulated: SimulatedRuntime,
  world: World,
  habit: Habits,
  random: Random,
  locked: Set<string>,
): User {
  const { table } = habit
  let inserts = 0
  const rows = () => [...world.rows(table).values()].filter(({ key }) => !locked.has(`${table}/${key}`))
  const delayMs = () => {
    if (random.chance(habit.tooLateChance)) return TOO_LATE_MS + random.below(TOO_LATE_MS)
    return random.chance(0.2) ? random.below(habit.lateMsMax) : 0
  }
  const change = (key: string, fields: Fields | null, delay: number) => {
    const stamp = world.stamp()
    const commit = () => {
      locked.delete(`${table}/${key}`)
      world.commit(table, key, fields, stamp)
    }
    locked.add(`${table}/${key}`)
    if (delay === 0) commit()
    else simulated.after(delay, commit)
  }
  const freshNumber = () => `${table}-${String(++inserts).padStart(4, '0')}`
  const freshFields = (number: string): Fields => {
    const mark = `${number}#${world.stamp().rowVersion}`
    return {
      number,
      status: random.pick(STATUSES),
      amount: `${random.below(100_000)}.${random.below(10)}0`,
      mark,
    }
  }
  const insert = (delay: number) => {
    const number = freshNumber()
    // Keys are random: new rows land before and behind any page place.
    change(`${random.below(9_000) + 1_000}${inserts}`, freshFields(number), delay)
  }
  const update = () => {
    const row = pickLive(rows(), random)
    if (row === null) return insert(delayMs())
    const { key, fields } = row
    const kind = random.float()
    if (kind < 0.5) change(key, freshFields(fields.number), delayMs())
    else if (kind < 0.6) change(key, fields, delayMs())
    else if (kind < 0.8)
      change(key, { ...earlier(world, table, key, fields), number: fields.number }, delayMs())
    else if (kind < 0.86) change(key, { ...freshFields(fields.number), amount: NO_AMOUNT }, delayMs())
    else if (kind < 0.9 && habit.canSpoil)
      change(key, { ...freshFields(fields.number), status: NO_STATUS }, delayMs())
    else if (habit.canRename) change(key, freshFields(freshNumber()), delayMs())
    else change(key, freshFields(fields.number), 0)
  }
  const remove = () => {
    const row = pickLive(rows(), random)
    if (row !== null) change(row.key, null, delayMs())
  }
  const bringBack = () => {
    const gone = rows().filter(({ fields }) => fields === null)
    if (gone.length === 0) return update()
    const { key } = random.pick(gone)
    const last = world.history(table, key).findLast(({ fields }) => fields !== null)?.fields
    if (!last) return
    change(key, random.chance(0.5) ? last : freshFields(last.number), delayMs())
  }
  return {
    insert: () => insert(0),
    write() {
      const kind = random.float()
      if (kind < 0.2) insert(delayMs())
      else if (kind < 0.8 || !habit.canDelete) update()
      else if (kind < 0.92) remove()
      else bringBack()
    },
  }
}

type Live = Readonly<{ key: string; fields: Fields }>

function pickLive(
  rows: readonly Readonly<{ key: string; fields: Fields | null }>[],
  random: Random,
): Live | null {
  const live = rows.flatMap(({ key, fields }) => (fields === null ? [] : [{ key, fields }]))
  return live.length === 0 ? null : random.pick(live)
}

/** What the row said before it said what it says now: A→B→A. */
function earlier(world: World, table: string, key: string, now: Fields): Fields {
  const said = world.history(table, key).flatMap(({ fields }) => (fields === null ? [] : [fields]))
  return said.findLast(({ mark, number }) => mark !== now.mark && number === now.number) ?? now
}
