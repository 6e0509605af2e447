#include "rcnn/detection/convolution/tile_input.h"

#include <algorithm>
#include <utility>

namespace rcnn::detection {
namespace {

constexpr int64_t kHalo = 1;
// By how many channels pixels are prefetched before they are transformed.
constexpr int64_t kPrefetchedChannels = 2;

// Bits [begin, end) of those from 16 v on.
uint16_t Bits(int64_t begin, int64_t end, int64_t v) {
  const int64_t low = std::clamp<int64_t>(begin - 16 * v, 0, 16);
  const int64_t high = std::clamp<int64_t>(end - 16 * v, low, 16);
  return static_cast<uint16_t>((uint32_t{1} << high) - (uint32_t{1} << low));
}

// `count` tiles of a row of tiles, from column `column` on, in the lanes from `lane` on.
TilePart MakePart(const TileGrid& grid, int64_t row, int64_t column, int64_t lane, int64_t count) {
  const int64_t y = kTileOut * row - kHalo, x = kTileOut * column - kHalo;
  const int64_t origin = x - kTileOut * lane;  // the first pixel of lane 0
  const int64_t end = x + kTileOut * count + kTileIn - kTileOut;
  TilePart part;
  part.offset = (y - grid.input_rows.first) * grid.width + origin;
  for (int64_t v = 0; v < 5; ++v) {
    part.pixels[v] = Bits(std::max<int64_t>(x, 0) - origin, std::min(end, grid.width) - origin, v);
  }
  part.rows = Bits(std::max<int64_t>(-y, 0), std::min(grid.height - y, kTileIn), 0);
  part.lanes = Bits(lane, lane + count, 0);
  part.prefetched_plane = kPrefetchedChannels * grid.input_rows.count * grid.width;
  return part;
}

}  // namespace

TileInput::TileInput(const WinogradKernels& kernels, int64_t max_tiles)
    : kernels_(kernels), cutter_(max_tiles), groups_(max_tiles / kTileGroup) {}

void TileInput::AddParts(const TileSegment& segment) {
  for (int64_t done = 0; done < segment.count;) {
    const int64_t tile = segment.offset + done, lane = tile % kTileGroup;
    const int64_t count = std::min(segment.count - done, kTileGroup - lane);
    std::vector<ImagePart>& group = groups_[tile / kTileGroup];
    TilePart part = MakePart(*grid_, segment.row, segment.column + done, lane, count);
    part.whole = group.empty();
    group.push_back({part, segment.image});
    done += count;
  }
}

void TileInput::SetTiles(const TileGrid& grid, std::vector<TileSegment> segments) {
  grid_ = &grid;
  segments_ = std::move(segments);
  for (auto& group : groups_) group.clear();
  for (const TileSegment& segment : segments_) AddParts(segment);
}

void TileInput::SetChannel(const float* maps, int64_t channels, int64_t channel) {
  const int64_t area = grid_->input_rows.count * grid_->width;
  channel_ = maps + channel * area;
  image_size_ = channels * area;
  if (kernels_.transform_pixels == nullptr) {
    cutter_.Cut(maps, channels, channel, *grid_, segments_, kHalo);
  }
}

void TileInput::Transform(int64_t group, float* transformed, int64_t stride) const {
  if (kernels_.transform_pixels == nullptr) {
    kernels_.transform_input(cutter_.tiles() + group * kTileGroup, cutter_.stride(), transformed,
                             stride);
    return;
  }
  if (groups_[group].empty()) {
    for (int64_t t = 0; t < kTilePoints; ++t)
      std::fill_n(transformed + t * stride, kTileGroup, 0.0f);
  }
  for (const ImagePart& part : groups_[group]) {
    kernels_.transform_pixels(channel_ + part.image * image_size_, grid_->width, part.part,
                              transformed, stride);
  }
}

}  // namespace rcnn::detection
