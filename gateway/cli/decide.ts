import type { Json } from '../../adapters/contract.ts'
import { HOLDS, type Hold } from '../lane/cursor-record.ts'
import type { Decided } from '../lane/verbs.ts'
import { sanitise } from '../sanitise.ts'
import { readConfiguration } from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { carryOut } from './lane-verbs.ts'
import { readLaneRecord } from './log-places.ts'
import { requireLane } from './names.ts'
import type { World } from './world.ts'

export type DecideOptions = Readonly<{ allow?: boolean; refuse?: boolean; reason?: string }>

/** `erpgw decide SOURCE FEED`: without an answer it shows what holds the lane; with one it records it. */
export async function decide(
  world: World,
  configPath: string,
  source: string,
  feed: string,
  options: DecideOptions,
): Promise<number> {
  const { allow = false, refuse = false, reason } = options
  if (!allow && !refuse) return showHold(world, configPath, source, feed)
  if (allow && refuse) throw new CommandFailure('Say either --allow or --refuse.', EXIT.usage)
  if (reason === undefined) {
    throw new CommandFailure('Say why with --reason; it is kept with the decision.', EXIT.usage)
  }
  const decision = { by: world.user, reason }
  const answer = await carryOut(world, configPath, { verb: 'decide', source, feed, allow, decision })
  // The shape of the answer is the gateway's own: it has gone through JSON, and both are of one version.
  showDecided(world, answer as unknown as Decided, allow, source, feed)
  return EXIT.ok
}

/** Says what was accepted, for it is what was seen when the lane was held, and the source may have changed since. */
function showDecided(
  world: World,
  { hold, isPaused }: Decided,
  allow: boolean,
  source: string,
  feed: string,
): void {
  if (!allow) {
    world.out('refused; the lane stays held\n')
    return
  }
  world.out(
    isPaused
      ? `allowed; the lane is paused as well and goes on after \`erpgw resume ${source} ${feed}\`\n`
      : 'allowed; the lane goes on\n',
  )
  world.out(`\nAccepted is what was seen at ${hold.since}, ${hold.code}:\n`)
  for (const line of detailLines(hold.details)) world.out(`  ${line}\n`)
}

async function showHold(world: World, configPath: string, source: string, feed: string): Promise<number> {
  const { config } = readConfiguration(world, configPath, false)
  requireLane(config, source, feed)
  const record = await readLaneRecord(world, config, `${source}.${feed}`)
  const hold = record?.hold ?? null
  if (hold === null) {
    world.out(`${source} ${feed} is not held; there is nothing to decide.\n`)
    return EXIT.ok
  }
  world.out(`${source} ${feed} is held since ${hold.since}: ${hold.code}\n${sanitise(hold.message)}\n\n`)
  for (const line of detailLines(hold.details)) world.out(`  ${line}\n`)
  world.out(`\n${answers(hold, source, feed)}`)
  return EXIT.ok
}

function answers({ code }: Hold, source: string, feed: string): string {
  const refuse = `  erpgw decide ${source} ${feed} --refuse --reason "…"\n`
  if (HOLDS[code] === 'resync')
    return `When its cause is mended:\n  erpgw resync ${source} ${feed} --reason "…"\n`
  return `Answer with one of:\n  erpgw decide ${source} ${feed} --allow --reason "…"\n${refuse}`
}

/** Details as lines: a list takes one a line, indented below its name. */
function detailLines(details: Json): readonly string[] {
  if (typeof details !== 'object' || details === null || Array.isArray(details)) {
    return details === null ? [] : [plain(details)]
  }
  return Object.entries(details).flatMap(([name, value]) => {
    if (!Array.isArray(value)) return value === undefined ? [] : [`${sanitise(name)}: ${plain(value)}`]
    return value.length === 0 ? [] : [`${sanitise(name)}:`, ...value.map((item) => `  ${plain(item)}`)]
  })
}

function plain(value: Json): string {
  return sanitise(typeof value === 'string' ? value : JSON.stringify(value))
}
