import type { Random } from '../kit/random.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'
import { type Change, type Fields, NO_AMOUNT, NO_STATUS, type World } from './world.ts'

/** How the users of the toy ERP work on one table. */
export type Habits = Readonly<{
  table: string
  /** Mean time between two writes. */
  everyMs: number
  /** Rows there before the gateway first looks. */
  rowsAtStart: number
  canDelete: boolean
  canRename: boolean
  /** Whether a number may go from one row to another. */
  canMove: boolean
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
  const change = (key: string, fields: Fields | null, delay = delayMs()) => {
    const stamp = world.stamp()
    const commit = () => {
      locked.delete(`${table}/${key}`)
      world.commit(table, key, fields, stamp)
    }
    locked.add(`${table}/${key}`)
    if (delay === 0) commit()
    else simulated.after(delay, commit)
  }
  const fresh: Fresh = {
    // Keys are random: new rows land before and behind any place of a page.
    key: () => `${random.between(1_000, 10_000)}${++inserts}`,
    number: () => `${table}-${String(++inserts).padStart(4, '0')}`,
    fields: (number) => ({
      number,
      status: random.pick(STATUSES),
      amount: `${random.below(100_000)}.${random.below(10)}0`,
      mark: `${number}#${world.stamp().rowVersion}`,
    }),
  }
  const desk: Desk = { world, habit, random, rows, change, fresh }
  return {
    insert: () => change(fresh.key(), fresh.fields(fresh.number()), 0),
    write() {
      const kind = random.float()
      if (kind < 0.2) change(fresh.key(), fresh.fields(fresh.number()))
      else if (kind < 0.8 || !habit.canDelete) update(desk)
      else if (kind < 0.92) remove(desk)
      else bringBack(desk)
    },
  }
}

type Fresh = Readonly<{ key(): string; number(): string; fields(number: string): Fields }>

/** Everything that a user's work needs. */
type Desk = Readonly<{
  world: World
  habit: Habits
  random: Random
  /** Rows that no transaction holds, gone ones as well. */
  rows(): readonly Change[]
  /** Without a delay given, one as the habit has it. */
  change(key: string, fields: Fields | null, delay?: number): void
  fresh: Fresh
}>

function update(desk: Desk): void {
  const { habit, random, change, fresh } = desk
  const row = pickLive(desk)
  if (row === null) {
    change(fresh.key(), fresh.fields(fresh.number()))
    return
  }
  const { key, fields } = row
  const kind = random.float()
  if (kind < 0.1) change(key, fields)
  else if (kind < 0.3)
    change(key, { ...earlier(desk.world, habit.table, key, fields), number: fields.number })
  else if (kind < 0.36) change(key, { ...fresh.fields(fields.number), amount: NO_AMOUNT })
  else if (kind < 0.4 && habit.canSpoil) change(key, { ...fresh.fields(fields.number), status: NO_STATUS })
  else if (kind < 0.5 && habit.canRename) change(key, fresh.fields(fresh.number()))
  else if (kind < 0.56 && habit.canMove) move(desk, row)
  else change(key, fresh.fields(fields.number))
}

/** A number goes to another row, at once: to a new one, or to one that lets go of its own for it. */
function move(desk: Desk, { key, fields }: Live): void {
  const { random, change, fresh } = desk
  const other = pickLive(desk)
  const isNew = other === null || other.key === key || random.chance(0.5)
  if (random.chance(0.5)) change(key, fresh.fields(fresh.number()), 0)
  else change(key, null, 0)
  change(isNew ? fresh.key() : other.key, fresh.fields(fields.number), 0)
}

function remove(desk: Desk): void {
  const row = pickLive(desk)
  if (row !== null) desk.change(row.key, null)
}

/** A row that is gone comes back as it was, or with other words, unless its number is another row's by now. */
function bringBack(desk: Desk): void {
  const { world, habit, random, rows, change, fresh } = desk
  const taken = new Set([...world.rows(habit.table).values()].map(({ fields }) => fields?.number))
  const gone = rows().flatMap(({ key, fields }) => {
    const last = world.history(habit.table, key).findLast((version) => version.fields !== null)?.fields
    return fields === null && last && !taken.has(last.number) ? [{ key, last }] : []
  })
  if (gone.length === 0) {
    update(desk)
    return
  }
  const { key, last } = random.pick(gone)
  // At once: while its transaction is open, its number is nobody's.
  change(key, random.chance(0.5) ? last : fresh.fields(last.number), habit.canMove ? 0 : undefined)
}

type Live = Readonly<{ key: string; fields: Fields }>

function pickLive({ rows, random }: Desk): Live | null {
  const live = rows().flatMap(({ key, fields }) => (fields === null ? [] : [{ key, fields }]))
  return live.length === 0 ? null : random.pick(live)
}

/** What the row said before it said what it says now: A→B→A. */
function earlier(world: World, table: string, key: string, now: Fields): Fields {
  const said = world.history(table, key).flatMap(({ fields }) => (fields === null ? [] : [fields]))
  return said.findLast(({ mark, number }) => mark !== now.mark && number === now.number) ?? now
}
