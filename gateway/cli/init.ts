import { dirname, join, resolve } from 'node:path'
import { CommandFailure, EXIT } from './failure.ts'
import type { World } from './world.ts'

/** `erpgw init`: a commented config to begin with. Never overwrites. */
export function writeStarter(world: World, path: string): number {
  const starter = world.files.read(join(world.packageFolder, 'schemas', 'starter', 'gateway.yaml'))
  if (starter === null) throw new Error('The package lacks its starter config.')
  const absolute = resolve(world.folder, path)
  if (!world.writeNew(absolute, starter)) {
    throw new CommandFailure(`${absolute} is there already; it was left as it is.`, EXIT.usage)
  }
  // The starter's first line points editors at it.
  const schema = world.files.read(join(world.packageFolder, 'schemas', 'config.schema.json'))
  if (schema !== null) world.writeNew(join(dirname(absolute), 'config.schema.json'), schema)
  world.out(
    `Wrote ${absolute}.\nNext: set its sources and secrets, then \`erpgw check\`, \`erpgw preview SOURCE FEED\`, \`erpgw run\`.\n`,
  )
  return EXIT.ok
}
