package dev.loupe.harvest;

import dev.loupe.harvest.shard.Layout;
import org.apiguardian.api.API;

/**
 * What a harvest is about to do.
 *
 * @param layout what is written for each token
 * @param shardTokens tokens of a shard at most
 * @param memory bytes of the shards that are in memory at a time: one is computed while another one is written. The
 *     model, one batch and what the reducers know come on top
 * @param resumedShards shards that are there already
 * @param resumedTokens tokens that are there already
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record HarvestPlan(Layout layout, long shardTokens, long memory, int resumedShards, long resumedTokens) {}
