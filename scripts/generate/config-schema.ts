import { ADAPTERS } from '../../adapters/registry.ts'
import { configJsonSchema } from '../../gateway/config/json-schema.ts'
import type { Generator } from './generator.ts'

/** The JSON Schema of the config file, from which editors complete and check. */
export const configSchema: Generator = {
  name: 'JSON Schema of the config',
  async files() {
    return { 'schemas/config.schema.json': `${formatted(configJsonSchema(ADAPTERS))}\n` }
  },
}

const LINE_CHARACTERS_MAX = 110

/** As the formatter of this repository writes JSON: a list of plain values stands on one line where it fits. */
function formatted(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /^( *(?:"[^"]*": )?)\[\n([^[\]{}]*)\n *\](,?)$/gm,
    (lines, before: string, items: string, after: string) => {
      const line = `${before}[${items.trim().replace(/,\n */g, ', ')}]${after}`
      return line.length <= LINE_CHARACTERS_MAX ? line : lines
    },
  )
}
