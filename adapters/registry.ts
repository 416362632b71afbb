import type { z } from 'zod'
import type { Adapter } from './contract.ts'

/** The adapters of this house, one line each: config, JSON Schema and docs come from this array. */
const MODULES = await Promise.all([
  import('./database/adapter.ts'), //
  import('./file-drop/adapter.ts'),
])

/** Any adapter, its own types left out: settings are what its schemas made of them, a transport is its own matter. */
export type AnyAdapter = Adapter<z.ZodType, z.ZodObject, unknown>

export const ADAPTERS: readonly AnyAdapter[] = MODULES.map((module) => module.adapter)

/** The adapter of a kind, or null where there is none. */
export function adapterOf(kind: string): AnyAdapter | null {
  return ADAPTERS.find((adapter) => adapter.kind === kind) ?? null
}
