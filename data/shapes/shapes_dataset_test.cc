#include "rcnn/data/shapes/shapes_dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/shapes/shape.h"
#include "rcnn/data/shapes/shapes_layout.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Dataset> Make(const configs::ShapesConfig& config = {}) {
  absl::StatusOr<std::unique_ptr<Dataset>> dataset = ShapesDataset::Create(config);
  EXPECT_THAT(dataset, IsOk());
  return *std::move(dataset);
}

bool SamePixels(const Image& a, const Image& b) {
  return a.size_bytes() == b.size_bytes() &&
         std::equal(a.data(), a.data() + a.size_bytes(), b.data());
}

TEST(ShapeDistance, IsNegativeInsideAndGrowsOutside) {
  for (int k = 0; k < kNumShapes; ++k) {
    const Shape shape = static_cast<Shape>(k);
    const float inside = shape == Shape::kRing ? 0.74f : shape == Shape::kCrescent ? -0.7f : 0.0f;
    EXPECT_LT(ShapeDistance(shape, inside, 0), 0) << Name(shape);
    for (int degrees = 0; degrees < 360; degrees += 5) {
      const float angle = static_cast<float>(degrees) * 0.01745329f;
      EXPECT_GT(ShapeDistance(shape, 1.15f * std::cos(angle), 1.15f * std::sin(angle)), 0)
          << Name(shape) << " at " << degrees;
    }
  }
  EXPECT_GT(ShapeDistance(Shape::kRing, 0, 0), 0);
}

TEST(ShapeDistance, HasTheAreaOfTheShape) {
  const auto area = [](Shape shape) {
    int64_t inside = 0;
    for (int y = -120; y < 120; ++y) {
      for (int x = -120; x < 120; ++x) {
        if (ShapeDistance(shape, (x + 0.5f) / 100, (y + 0.5f) / 100) < 0) ++inside;
      }
    }
    return static_cast<double>(inside) / 1e4;
  };
  EXPECT_NEAR(area(Shape::kDisc), 3.14159 * 0.95 * 0.95, 0.01);
  EXPECT_NEAR(area(Shape::kSquare), 1.56 * 1.56, 0.01);
  EXPECT_NEAR(area(Shape::kTriangle), 0.75 * std::sqrt(3), 0.01);
  EXPECT_NEAR(area(Shape::kCross), 2 * 2 * 0.64 - 0.64 * 0.64, 0.01);
  EXPECT_NEAR(area(Shape::kRing), 3.14159 * (1 - 0.48 * 0.48), 0.01);
  // Ten triangles between tip, notch and centre.
  EXPECT_NEAR(area(Shape::kStar), 10 * 0.5 * 1.1 * 0.45 * std::sin(3.14159 / 5), 0.01);
}

TEST(ShapesDataset, ASampleIsAFunctionOfSeedAndIndex) {
  const std::unique_ptr<Dataset> dataset = Make();
  const std::unique_ptr<Dataset> again = Make();
  const Sample late = *again->Load(17);
  for (int64_t index : {3, 17}) {
    const Sample first = *dataset->Load(index);
    EXPECT_TRUE(SamePixels(*first.image, **dataset->LoadImage(index)));
    EXPECT_EQ(first.objects, again->objects(index));
    EXPECT_FALSE(first.objects.empty());
  }
  EXPECT_TRUE(SamePixels(*late.image, *dataset->Load(17)->image));
  configs::ShapesConfig other;
  other.set_seed(1);
  EXPECT_FALSE(SamePixels(*late.image, *Make(other)->Load(17)->image));
}

TEST(ShapesDataset, ThreadsGetTheSameImages) {
  const std::unique_ptr<Dataset> dataset = Make();
  std::vector<Sample> samples(4);
  std::vector<std::thread> threads;
  for (Sample& sample : samples) {
    threads.emplace_back([&sample, &dataset] { sample = *dataset->Load(5); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Sample& sample : samples) {
    EXPECT_TRUE(SamePixels(*sample.image, *samples[0].image));
    EXPECT_EQ(sample.objects, samples[0].objects);
  }
}

// 300 images: every class, small and large, cut and covered, on the image.
TEST(ShapesDataset, ObjectsAreVaried) {
  const std::unique_ptr<Dataset> dataset = Make();
  std::map<int64_t, int> by_label;
  std::map<size_t, int> by_count;
  int small = 0;
  int large = 0;
  int at_edge = 0;
  for (int64_t i = 0; i < 300; ++i) {
    const std::vector<Object> objects = dataset->objects(i);
    ++by_count[objects.size()];
    for (const Object& object : objects) {
      const Box& box = object.box;
      ++by_label[object.label];
      EXPECT_GE(std::min(box.width(), box.height()), 8);
      EXPECT_GE(std::min(box.x1, box.y1), 0);
      EXPECT_LE(box.x2, 160);
      EXPECT_LE(box.y2, 128);
      if (std::max(box.width(), box.height()) < 32) ++small;
      if (std::max(box.width(), box.height()) > 56) ++large;
      if (box.x1 == 0 || box.y1 == 0 || box.x2 == 160 || box.y2 == 128) ++at_edge;
    }
  }
  EXPECT_EQ(by_label.size(), 6u);
  for (const auto& [label, count] : by_label) EXPECT_GT(count, 100) << label;
  EXPECT_GE(by_count.size(), 5u);
  EXPECT_GT(small, 150);
  EXPECT_GT(large, 100);
  EXPECT_GT(at_edge, 100);
}

// The box is that of the pixels nearest to the viewer, here computed directly.
TEST(ShapesLayout, BoxesAreThoseOfTheVisiblePixels) {
  const configs::ShapesConfig config;
  for (int64_t index = 0; index < 40; ++index) {
    const ShapesLayout layout = MakeShapesLayout(config, index);
    std::vector<Box> boxes(layout.shapes.size(), Box{1e9f, 1e9f, 0, 0});
    for (int y = 0; y < config.height_px(); ++y) {
      for (int x = 0; x < config.width_px(); ++x) {
        for (size_t i = layout.shapes.size(); i-- > 0;) {
          if (layout.shapes[i].Coverage(x + 0.5f, y + 0.5f) < 0.5f) continue;
          boxes[i] = {std::min<float>(boxes[i].x1, x), std::min<float>(boxes[i].y1, y),
                      std::max<float>(boxes[i].x2, x + 1), std::max<float>(boxes[i].y2, y + 1)};
          break;
        }
      }
    }
    EXPECT_EQ(boxes, layout.boxes) << "image " << index;
  }
}

TEST(ShapesDataset, ImagesShowTheirObjects) {
  // Without difficulty the inside of a disc is far from the ground's colour.
  configs::ShapesConfig config;
  config.set_difficulty(0);
  config.set_num_classes(1);
  config.set_max_objects(1);
  const std::unique_ptr<Dataset> dataset = Make(config);
  for (int64_t i = 0; i < 20; ++i) {
    const Sample sample = *dataset->Load(i);
    ASSERT_EQ(sample.objects.size(), 1u);
    const Box& box = sample.objects[0].box;
    const auto pixel = [&](float x, float y) {
      return sample.image->row(static_cast<int64_t>(y)) + 3 * static_cast<int64_t>(x);
    };
    const uint8_t* inside = pixel((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2);
    // The corner of the image that is farthest from the object.
    const uint8_t* ground = pixel(box.x1 + box.x2 < 160 ? 158 : 1, box.y1 + box.y2 < 128 ? 126 : 1);
    int difference = 0;
    for (int c = 0; c < 3; ++c) difference += std::abs(inside[c] - ground[c]);
    EXPECT_GT(difference, 100) << "image " << i;
  }
}

TEST(ShapesDataset, NamesItsClassesAndImages) {
  configs::ShapesConfig config;
  config.set_num_classes(3);
  config.set_seed(9);
  const std::unique_ptr<Dataset> dataset = Make(config);
  EXPECT_THAT(dataset->classes().names, ElementsAre("disc", "square", "triangle"));
  EXPECT_EQ(dataset->image(12).name, "shapes-9-000012");
  EXPECT_EQ(dataset->image(12).id, 13);
  EXPECT_EQ(dataset->size(), 1000);
}

TEST(ShapesDataset, GivesInclusiveBoxesIfRequested) {
  std::unique_ptr<Dataset> inclusive = *ShapesDataset::Create({}, /*inclusive_boxes=*/true);
  const Object a = Make()->objects(0)[0];
  const Object b = inclusive->objects(0)[0];
  EXPECT_EQ(b.box.x2, a.box.x2 - 1);
  EXPECT_EQ(b.xywh, a.xywh);
  EXPECT_TRUE(inclusive->inclusive_boxes());
}

TEST(ShapesDataset, FingerprintDependsOnEveryField) {
  std::vector<configs::ShapesConfig> configs(10);
  configs[1].set_seed(1);
  configs[2].set_num_images(999);
  configs[3].set_num_classes(5);
  configs[4].set_width_px(161);
  configs[5].set_height_px(129);
  configs[6].set_min_objects(2);
  configs[7].set_max_objects(5);
  configs[8].set_min_diameter_px(23);
  configs[9].set_difficulty(0.4);
  std::set<std::string> fingerprints;
  for (const configs::ShapesConfig& config : configs)
    fingerprints.insert(Make(config)->fingerprint());
  EXPECT_EQ(fingerprints.size(), configs.size());
}

TEST(ShapesDataset, RejectsValuesOutOfRange) {
  std::vector<configs::ShapesConfig> configs(10);
  configs[0].set_num_images(0);
  configs[1].set_num_classes(9);
  configs[2].set_width_px(31);
  configs[3].set_height_px(5000);
  configs[4].set_max_objects(101);
  configs[5].set_min_objects(7);
  configs[6].set_min_diameter_px(7);
  configs[7].set_min_diameter_px(90);
  configs[8].set_difficulty(std::nan(""));
  configs[9].set_num_images(10'000'001);
  const char* fields[] = {"num_images",  "num_classes", "width_px",        "height_px",
                          "max_objects", "min_objects", "min_diameter_px", "min_diameter_px",
                          "difficulty",  "num_images"};
  for (size_t i = 0; i < configs.size(); ++i) {
    const absl::Status status = ShapesDataset::Create(configs[i]).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(fields[i])));
  }
}

TEST(ShapesDataset, ObjectsThatCannotFitAreLeftOut) {
  configs::ShapesConfig config;
  config.set_width_px(32);
  config.set_height_px(32);
  config.set_min_objects(50);
  config.set_max_objects(50);
  EXPECT_LT(Make(config)->objects(0).size(), 20u);
}

}  // namespace
}  // namespace rcnn::data
