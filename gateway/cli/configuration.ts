import { resolve } from 'node:path'
import { ADAPTERS } from '../../adapters/registry.ts'
import { type Path, pathText } from '../config/document.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { type Language, loadLanguage } from '../language.ts'
import { mistakeText } from '../mapping/mistake.ts'
import { CommandFailure, EXIT } from './failure.ts'
import type { World } from './world.ts'

export const DEFAULT_CONFIG = 'gateway.yaml'

export type Configured = Loaded & Readonly<{ language: Language; path: string }>

/**
 * Reads the config that a command works with. Throws CommandFailure with every mistake, a line each. `needsSecrets`
 * false where the command talks to nothing and maps nothing.
 */
export function readConfiguration(world: World, path: string, needsSecrets = true): Configured {
  const language = loadLanguage(world.files, world.packageFolder)
  const absolute = resolve(world.folder, path)
  if (world.files.read(absolute) === null && world.files.list(absolute) === null) {
    throw new CommandFailure(
      `There is no config at ${absolute}. Write one with \`erpgw init\`, or name another with --config.`,
      EXIT.usage,
    )
  }
  const loaded = loadConfig({
    path: absolute,
    files: world.files,
    secrets: world.secrets,
    environmentCheck: needsSecrets,
    adapters: ADAPTERS,
    knowledge: language.knowledge,
  })
  if ('mistakes' in loaded) {
    const { mistakes } = loaded
    const count = mistakes.length === 1 ? '1 mistake' : `${mistakes.length} mistakes`
    throw new CommandFailure(
      [`The config has ${count}:`, ...mistakes.map((mistake) => `  ${mistakeText(mistake)}`)].join('\n'),
      EXIT.usage,
    )
  }
  const configured = { ...loaded, language, path: absolute }
  if (needsSecrets) requireMappings(world, configured)
  return configured
}

/** What only this machine shows to be wrong with a setting: where it is written, and why it cannot be. */
export function settingProblem({ place }: Pick<Configured, 'place'>, path: Path, problem: string): string {
  return mistakeText({ ...place(path, 'value'), field: pathText(path), message: problem })
}

/** Compiles what every source needs, so that a mistake in a mapping is found before anything is opened. */
function requireMappings(world: World, { config, language }: Configured): void {
  const mistakes = new Set<string>()
  for (const name of Object.keys(config.sources)) {
    try {
      void world.inspect(config, language, name).close()
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      for (const line of message.split('\n')) mistakes.add(line)
    }
  }
  if (mistakes.size === 0) return
  throw new CommandFailure(
    ['The mappings cannot be used:', ...[...mistakes].map((line) => `  ${line}`)].join('\n'),
    EXIT.usage,
  )
}
