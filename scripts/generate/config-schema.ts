import { ADAPTERS } from '../../adapters/registry.ts'
import { configJsonSchema } from '../../gateway/config/json-schema.ts'
import type { Generator } from './generator.ts'

/** The JSON Schema of the config file, from which editors complete and check. */
export const configSchema: Generator = {
  name: 'JSON Schema of the config',
  async files() {
    return { 'schemas/config.schema.json': `${JSON.stringify(configJsonSchema(ADAPTERS), null, 2)}\n` }
  },
}
