// Written by `convexpy codegen ts` from the Python functions: changes are lost when it runs again.

import { anyApi } from "convex/server";

export const api = anyApi;
