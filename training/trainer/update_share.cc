#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {

bool HasParts(int64_t ranks, int64_t batches) { return ranks > batches; }

UpdateShare ShareOfUpdate(int64_t rank, int64_t ranks, int64_t batches) {
  UpdateShare share;
  share.first_rank = rank;
  share.iterations = {batches, rank * batches / ranks, (rank + 1) * batches / ranks};
  if (!HasParts(ranks, batches)) return share;
  const int64_t batch = rank * batches / ranks;
  // The first rank r with r batches / ranks >= batch, rounded down.
  const auto first_rank = [&](int64_t b) { return (b * ranks + batches - 1) / batches; };
  share.first_rank = first_rank(batch);
  share.iterations = {batches, batch, batch + 1};
  share.part = {rank - share.first_rank, first_rank(batch + 1) - share.first_rank};
  return share;
}

std::vector<int> RanksWithoutImages(int64_t ranks, int64_t batches, int64_t images) {
  std::vector<int> without;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    const data::BatchPart part = ShareOfUpdate(rank, ranks, batches).part;
    if (part.Begin(images) == part.End(images)) without.push_back(static_cast<int>(rank));
  }
  return without;
}

}  // namespace rcnn::training
