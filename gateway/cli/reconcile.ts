import type { ControlRequest } from '../control/protocol.ts'
import type { Statement } from '../reconcile/statement.ts'
import type { Progress } from '../reconcile/sweep.ts'
import type { SweepStatus } from '../reconcile/sweeper.ts'
import { readConfiguration } from './configuration.ts'
import { CommandFailure } from './failure.ts'
import { grouped } from './figures.ts'
import { type Ask, converse } from './lane-verbs.ts'
import { requireLane } from './names.ts'
import { textTable } from './text-table.ts'
import type { World } from './world.ts'

export type ReconcileOptions = Readonly<{
  heal: boolean
  beyondFuse: boolean
  reason: string
  json: boolean
}>

const LOOK_EVERY_MS = 250

/**
 * Compares a feed, or all of a source, with the log, and prints a statement for each. 0: nothing differs, or what did was
 * mended; 1: something differs, or a feed could not be compared.
 */
export async function reconcile(
  world: World,
  configPath: string,
  source: string,
  feed: string | null,
  options: ReconcileOptions,
): Promise<number> {
  const { config } = readConfiguration(world, configPath, false)
  requireLane(config, source, feed)
  const feeds = feed === null ? Object.keys(config.sources[source]?.feeds ?? {}) : [feed]
  const statements: Statement[] = []
  const failures: string[] = []
  for (const name of feeds) {
    try {
      statements.push(await compare(world, configPath, { source, feed: name }, options))
    } catch (error) {
      if (!(error instanceof CommandFailure) || feeds.length === 1) throw error
      failures.push(`${source}.${name}: ${error.message}`)
    }
  }
  if (options.json) for (const statement of statements) world.out(`${JSON.stringify(statement)}\n`)
  else world.out(report(statements, options.heal))
  for (const failure of failures) world.err(`${failure}\n`)
  return failures.length === 0 && statements.every((one) => isSettled(one, options.heal)) ? 0 : 1
}

async function compare(
  world: World,
  configPath: string,
  lane: Readonly<{ source: string; feed: string }>,
  options: ReconcileOptions,
): Promise<Statement> {
  const { heal, beyondFuse, reason } = options
  const decision = { by: world.user, reason }
  const request = (begin: Extract<ControlRequest, { verb: 'reconcile' }>['begin']): ControlRequest => ({
    verb: 'reconcile',
    ...lane,
    begin,
    decision,
  })
  return converse(world, configPath, request({ heal, beyondFuse }), (first, ask) =>
    untilDone(world, first as unknown as SweepStatus, () => ask(request(null)) as ReturnType<Ask>),
  )
}

async function untilDone(world: World, first: SweepStatus, look: () => ReturnType<Ask>): Promise<Statement> {
  let status = first
  while (status.statement === null && status.failed === null) {
    if (world.isTerminal) world.err(`\r\x1b[2K${bar(status.feed, status.progress, world.columns)}`)
    await world.runtime.sleep(LOOK_EVERY_MS, world.signal)
    status = (await look()) as unknown as SweepStatus
  }
  if (world.isTerminal) world.err('\r\x1b[2K')
  if (status.statement === null) throw new CommandFailure(status.failed ?? 'It came to nothing.')
  return status.statement
}

const PHASES: Readonly<Record<Progress['phase'], string>> = {
  source: 'sums of the source',
  log: 'sums of the log',
  keys: 'keys that differ',
  'gone-source': 'keys that may be gone',
  'gone-log': 'keys that may be gone',
  looking: 'fresh reads',
  ended: 'statement',
}

const BAR = 24

function bar(feed: string, { phase, done, total }: Progress, columns: number): string {
  const filled = total === 0 ? 0 : Math.min(BAR, Math.floor((done / total) * BAR))
  const line = `${feed} [${'#'.repeat(filled)}${'.'.repeat(BAR - filled)}] ${PHASES[phase]}: ${grouped(done)} of ${grouped(total)}`
  return line.slice(0, columns - 1)
}

function report(statements: readonly Statement[], heal: boolean): string {
  const rows = statements.map((one) => [
    one.lane,
    ...[one.rowsInSource, one.rowsInLog, one.rowsSent, one.late].map(grouped),
    ...[one.missing, one.changed, one.deleted, one.healed].map(grouped),
  ])
  const table = textTable(
    ['LANE', 'IN SOURCE', 'IN LOG', 'SENT', 'LATE', 'MISSING', 'CHANGED', 'DELETED', 'HEALED'],
    rows,
  )
  return [table, ...statements.flatMap((one) => advice(one, heal))].join('')
}

function advice(statement: Statement, heal: boolean): string[] {
  const [source, feed] = statement.lane.split('.')
  const lane = `${source} ${feed}`
  if (statement.refused !== null)
    return [
      `\n${statement.lane}: nothing was mended: ${statement.refused}. If that is right, run \`erpgw reconcile ${lane} --heal --beyond-fuse --reason "…"\`.\n`,
    ]
  if (heal || differences(statement) === 0) return []
  return [`\n${statement.lane}: to publish what differs, run \`erpgw reconcile ${lane} --heal\`.\n`]
}

function differences({ missing, changed, deleted }: Statement): number {
  return missing + changed + deleted
}

function isSettled(statement: Statement, heal: boolean): boolean {
  return statement.refused === null && (heal || differences(statement) === 0)
}
