#include "learn/tensor.h"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <thread>
#include <vector>

using namespace psctl::learn;

BOOST_AUTO_TEST_SUITE(tensors)

BOOST_AUTO_TEST_CASE(a_tensor_is_aligned_to_64_bytes) {
  for (const std::size_t size : {0UL, 1UL, 17UL, 100'000UL}) {
    Tensor tensor(size);
    BOOST_TEST(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64 == 0);
    BOOST_TEST(tensor.values().size() == size);
  }
}

BOOST_AUTO_TEST_CASE(the_pool_hands_a_returned_tensor_out_again_and_makes_new_ones_only_when_all_are_out) {
  TensorPool pool(10);
  BOOST_TEST(pool.made() == 0);
  std::shared_ptr<Tensor> first = pool.take();
  const float* const memory = first->data();
  const std::shared_ptr<Tensor> second = pool.take();
  BOOST_TEST(second->data() != memory);
  BOOST_TEST(pool.made() == 2);
  first.reset();
  const std::shared_ptr<Tensor> third = pool.take();
  BOOST_TEST(third->data() == memory);
  BOOST_TEST(pool.made() == 2);
  BOOST_TEST(third->size() == pool.tensor_size());
}

BOOST_AUTO_TEST_CASE(a_tensor_outlives_its_pool) {
  std::shared_ptr<Tensor> tensor;
  {
    TensorPool pool(3);
    tensor = pool.take();
  }
  tensor->values()[2] = 1;
  BOOST_TEST(tensor->values()[2] == 1);
}

BOOST_AUTO_TEST_CASE(threads_that_take_and_return_at_the_same_time_never_share_a_tensor) {
  TensorPool pool(16);
  std::vector<std::jthread> threads;
  std::atomic<bool> shared = false;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      for (int turn = 0; turn < 2000; ++turn) {
        const std::shared_ptr<Tensor> tensor = pool.take();
        for (float& value : tensor->values()) value = static_cast<float>(id);
        for (const float value : tensor->values()) shared = shared || value != static_cast<float>(id);
      }
    });
  }
  threads.clear();
  BOOST_TEST(!shared);
  BOOST_TEST(pool.made() <= 4);
}

BOOST_AUTO_TEST_SUITE_END()
