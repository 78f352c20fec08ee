/** What a value is, whatever engine it comes from: by this a format keeps types that an engine's own names do not tell. */

export type ScalarType =
  | {
      readonly kind:
        | 'boolean'
        | 'int16'
        | 'int32'
        | 'int64'
        | 'float32'
        | 'float64'
        | 'text'
        | 'binary'
        | 'json'
        | 'uuid'
        | 'date'
        | 'time'
        | 'timetz'
        | 'timestamp'
        | 'timestamptz'
        | 'interval'
        /** Text of a type that no format knows: enums, ranges, composites, addresses, shapes … */
        | 'other';
    }
  /** Precision in digits of which `scale` are behind the point; absent where the query does not tell. */
  | { readonly kind: 'decimal'; readonly precision?: number | undefined; readonly scale?: number | undefined };

export type ExportType =
  | ScalarType
  /** Of any number of dimensions. `delimiter` is what stands between two elements; absent: a comma. */
  | { readonly kind: 'list'; readonly of: ScalarType; readonly delimiter?: string | undefined };
