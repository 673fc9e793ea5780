/** A job as its simulation sees it: what each row asks of which gateway, and where gateways send it. */
import type { EndpointModel, ModelCall } from "./endpoint-model.ts";

/** A task's calls follow one another; a row's generations run side by side; steps follow one another. */
export interface RowShape {
  readonly steps: readonly {
    /** Index of the job's step. */
    readonly step: number;
    /** Index of the gateway that is asked. */
    readonly gateway: number;
    readonly chains: readonly (readonly ModelCall[])[];
  }[];
}

export interface GatewayShape {
  /** One for each endpoint; two gateways may share a server. */
  readonly pools: readonly { readonly server: number; readonly slots: number }[];
}

export interface JobShape {
  readonly gateways: readonly GatewayShape[];
  readonly servers: readonly EndpointModel[];
  /** The gateway whose line decides when a row is started: that of the first step with a model. */
  readonly firstGateway: number;
}

export function slotsOf({ gateways }: Pick<JobShape, "gateways">): number {
  return gateways.reduce((sum, { pools }) => sum + pools.reduce((of, { slots }) => of + slots, 0), 0);
}
