import { resolve } from 'node:path'
import { ADAPTERS } from '../../adapters/registry.ts'
import { type Path, pathText } from '../config/document.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import { type Language, loadLanguage } from '../language.ts'
import { mistakeText } from '../mapping/mistake.ts'
import { feedMapping } from '../wiring.ts'
import { CommandFailure, EXIT } from './failure.ts'
import type { World } from './world.ts'

export const DEFAULT_CONFIG = 'gateway.yaml'

export type Configured = Loaded & Readonly<{ language: Language; path: string }>

/**
 * Reads the config that a command works with. Throws CommandFailure with every mistake, a line each. `needsSecrets`
 * false where the command talks to nothing and maps nothing.
 */
export function readConfiguration(world: World, path: string, needsSecrets = true): Configured {
  const configured = readWithoutMappings(world, path, needsSecrets)
  // A mistake in a mapping is found before anything is opened.
  const faults = needsSecrets ? mappingFaults(configured) : []
  if (faults.length > 0) throw mappingsFailure(faults)
  return configured
}

/** The same without a look into the mappings, for a command that goes on beside their mistakes. */
export function readWithoutMappings(world: World, path: string, needsSecrets: boolean): Configured {
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
  return { ...loaded, language, path: absolute }
}

/** What only this machine shows to be wrong with a setting: where it is written, and why it cannot be. */
export function settingProblem({ place }: Pick<Configured, 'place'>, path: Path, problem: string): string {
  return mistakeText({ ...place(path, 'value'), field: pathText(path), message: problem })
}

/** A feed's mapping that cannot be used, with its mistakes, a line each. */
export type MappingFault = Readonly<{ source: string; mapping: string; mistakes: string }>

/** Compiles the mapping of every feed. */
export function mappingFaults({ config, language }: Configured): readonly MappingFault[] {
  return Object.values(config.sources).flatMap((source) =>
    Object.values(source.feeds).flatMap((feed): readonly MappingFault[] => {
      try {
        feedMapping(config, language, source, feed)
        return []
      } catch (error) {
        const mistakes = error instanceof Error ? error.message : String(error)
        return [{ source: source.name, mapping: feed.mapping, mistakes }]
      }
    }),
  )
}

/** Says all mistakes, each once, though several feeds use a mapping. */
export function mappingsFailure(faults: readonly MappingFault[]): CommandFailure {
  const lines = new Set(faults.flatMap(({ mistakes }) => mistakes.split('\n')))
  return new CommandFailure(
    ['The mappings cannot be used:', ...[...lines].map((line) => `  ${line}`)].join('\n'),
    EXIT.usage,
  )
}
