import type { Check } from '../../adapters/contract.ts'
import { ADAPTERS } from '../../adapters/registry.ts'
import { explainConfig } from '../config/explain.ts'
import type { GatewayStatus } from '../gateway.ts'
import type { Preview } from '../lane/preview.ts'
import type { Source } from '../lane/source.ts'
import { mistakeText } from '../mapping/mistake.ts'
import { sanitise } from '../sanitise.ts'
import { type Configured, readConfiguration } from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { LANE_HEADINGS, laneRows } from './lane-rows.ts'
import { carryOut } from './lane-verbs.ts'
import { textTable } from './text-table.ts'
import type { World } from './world.ts'

/** `erpgw status` */
export async function showStatus(world: World, configPath: string, asJson: boolean): Promise<number> {
  const status = (await carryOut(world, configPath, { verb: 'status' })) as unknown as GatewayStatus
  if (asJson) world.out(`${JSON.stringify(status, null, 2)}\n`)
  else {
    const lanes = status.sources.flatMap((source) => source.lanes)
    world.out(`Gateway ${status.gateway}, running since ${status.since}\n\n`)
    world.out(textTable(LANE_HEADINGS, laneRows(lanes)))
    for (const source of status.sources) {
      if (source.trouble !== null) world.out(`${sanitise(source.source)}: ${sanitise(source.trouble)}\n`)
    }
    for (const { topic, partition, position, open } of status.publisher?.partitions ?? []) {
      world.out(`publisher ${topic}/${partition}: at ${position}, ${open} notices open\n`)
    }
  }
  const isWell = status.sources.every(({ trouble, lanes }) => trouble === null && lanes.every(isLaneWell))
  return isWell ? EXIT.ok : EXIT.failed
}

/** `erpgw explain`: the effective config, secrets as their references. */
export function explain(world: World, configPath: string): number {
  world.out(explainConfig(readConfiguration(world, configPath, false), ADAPTERS))
  return EXIT.ok
}

/** `erpgw check`: config, mappings, secrets, connections and permissions; each with what to do. Changes nothing. */
export async function checkAll(world: World, configPath: string): Promise<number> {
  const configured = readConfiguration(world, configPath)
  const { config, notices } = configured
  world.out(`✓ config ${configured.path}\n`)
  for (const notice of notices) world.out(`  note: ${sanitise(mistakeText(notice))}\n`)
  let failed = 0
  for (const name of Object.keys(config.sources)) {
    const check = await checkSource(world, configured, name)
    if (check.ok) {
      world.out(`✓ source ${name}\n`)
      for (const note of check.notes ?? []) world.out(`  note: ${sanitise(note)}\n`)
    } else {
      failed += 1
      world.out(`✗ source ${name}: ${sanitise(check.reason)}\n`)
    }
  }
  if (failed > 0)
    throw new CommandFailure(`${failed} of ${Object.keys(config.sources).length} sources cannot be read.`)
  return EXIT.ok
}

/** `erpgw preview SOURCE FEED`: the first records as events. Moves nothing. */
export async function preview(
  world: World,
  configPath: string,
  sourceName: string,
  feed: string,
  limit: number,
): Promise<number> {
  const configured = readConfiguration(world, configPath)
  if (configured.config.sources[sourceName] === undefined) {
    const names = Object.keys(configured.config.sources).join(', ')
    throw new CommandFailure(`There is no source ${sourceName}; there are: ${names}.`, EXIT.usage)
  }
  const found = await withSource(world, configured, sourceName, (source) =>
    source.request({ verb: 'preview', feed, limit }),
  )
  printPreview(world, found as unknown as Preview)
  return EXIT.ok
}

function printPreview(world: World, found: Preview): void {
  world.out(`${found.records.length} records as erp.${found.entity}.v1; nothing was moved.\n\n`)
  const types = Object.entries(found.fields)
  if (types.length > 0) world.out(`${textTable(['FIELD', 'TYPE'], types)}\n`)
  for (const { key, mapped } of found.records) {
    if (mapped.kind === 'mapped') {
      world.out(`${sanitise(key)} → ${sanitise(mapped.company)}/${sanitise(mapped.subject)}\n`)
      world.out(`${JSON.stringify(mapped.data, null, 2)}\n\n`)
    } else {
      const where = mapped.field === null ? '' : ` (${mapped.field})`
      world.out(`${sanitise(key)} ✗ ${mapped.code}${sanitise(where)}: ${sanitise(mapped.reason)}\n\n`)
    }
  }
  for (const warning of found.warnings) world.out(`note: ${sanitise(warning)}\n`)
}

async function checkSource(world: World, configured: Configured, name: string): Promise<Check> {
  try {
    const check = await withSource(world, configured, name, (source) => source.request({ verb: 'check' }))
    return check as unknown as Check
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) }
  }
}

async function withSource<Answer>(
  world: World,
  { config, language }: Configured,
  name: string,
  use: (source: Source) => Promise<Answer>,
): Promise<Answer> {
  const source = world.inspect(config, language, name)
  try {
    return await use(source)
  } finally {
    await source.close()
  }
}

function isLaneWell(lane: GatewayStatus['sources'][number]['lanes'][number]): boolean {
  return lane.hold === null && lane.stopped === null
}
