// Orders the images of an epoch so that they are read block by block.
//
// For images in shards on slow or shared storage (data/shards): a uniform shuffle reads every shard
// all the time. Here the dataset is divided into blocks of consecutive images, block k of B being
// the images [n k / B, n (k + 1) / B), which are those of shard k of B. The blocks are put in
// random order, and images are mixed only with those of the next few blocks.
//
// The blocks are divided among `streams`, and batch i, counted over all epochs, takes its images
// from stream i % streams. With as many streams as batches in an update, a process that takes some
// batches of every update reads the blocks of their streams alone, whatever the number of
// processes. Two neighbouring streams share at most one block.
//
//   blocks in random order   4 1 | 3 0 | 5 2        3 streams of 2 blocks
//   batches 0, 3, 6, ...     images of 4 and 1, mixed
//   batches 1, 4, 7, ...     images of 3 and 0, mixed
//
// Use it through epoch_order.h.
//
// Example:
//   RandomStream random({.seed = 1, .stage = "rpn1", .step = epoch, .purpose = "epoch order"});
//   const auto mix = [&](std::vector<EpochEntry> pool) {
//     random.Shuffle(pool);
//     return pool;
//   };
//   entries = OrderByBlocks(std::move(entries), options, mix, random);

#ifndef RCNN_DATA_LOADER_BLOCK_ORDER_H_
#define RCNN_DATA_LOADER_BLOCK_ORDER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "rcnn/base/stream_key.h"
#include "rcnn/data/loader/epoch_entry.h"

namespace rcnn::data {

struct BlockOrderOptions {
  // Of the dataset, >= 1.
  int64_t images = 1;
  // >= 1; more than images count as one for each image.
  int64_t blocks = 1;
  // Blocks of a stream whose images are mixed, >= 1.
  int64_t mixed_blocks = 1;
  // >= 1.
  int64_t streams = 1;
  // Images of a batch, and batches of the epoch that are full; batches * batch_size entries are
  // ordered.
  int64_t batch_size = 1;
  int64_t batches = 0;
  // The number of the epoch's first batch, counted from the first epoch.
  int64_t first_batch = 0;
  // Mixed images come in groups of this many, >= 1; what fills none is mixed with the next blocks.
  int64_t group = 1;
};

// Returns the entries that it is given in another order; those that fill no group last.
using MixFunction = std::function<std::vector<EpochEntry>(std::vector<EpochEntry>)>;

// Orders the first batches * batch_size of `entries`, which are in random order, and keeps the
// others at the end, so that every image is equally likely to be among those.
std::vector<EpochEntry> OrderByBlocks(std::vector<EpochEntry> entries,
                                      const BlockOrderOptions& options, const MixFunction& mix,
                                      RandomStream& random);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_BLOCK_ORDER_H_
